#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/decode/prefix_index.h"
#include "lib/decode/sampler.h"
#include "lib/decode/step_runner.h"
#include "lib/models/network.h"

namespace r1 {

enum class FinishReason { stop, length, time, interrupted };
std::string_view finish_name(FinishReason reason);  // "stop"

// One sequence to go on with. `on_token` sees each sample as it is drawn and says whether to go on.
struct SequenceRequest {
  std::vector<std::int32_t> prompt;  // not empty
  std::int64_t max_tokens = 128;
  SamplingOptions sampling;
  std::uint64_t stream = 0;
  int top_logprobs = -1;                  // as in sample()
  std::vector<std::int32_t> stop_tokens;  // sorted; the token itself is not reported
  // Has it taken too long? Asked once a step, from its submission on; may be absent. It then ends
  // with `timeout`.
  std::function<bool()> expired;
  // The only ids that may be drawn next; empty: all. Asked before each draw; may be absent.
  std::function<std::vector<std::int32_t>()> among;
  std::function<bool(const Sample&)> on_token;
  std::function<void(FinishReason)> on_finish;
  // Instead of on_finish: its logits are no numbers, it has no room alone, or it took too long.
  std::function<void(const Error&)> on_error;
};

// Pages that hold this many positions.
std::int64_t pages_for(std::int64_t tokens);
constexpr std::int64_t kModerateTokens = 2048;  // of a text
// A cache with room for `batch` texts of moderate length, and for one as long as the context.
std::int64_t default_cache_pages(const KvShape& kv, std::int64_t context, std::int64_t batch);

struct SchedulerOptions {
  std::int64_t max_batch = 16;    // sequences decoded together
  std::int64_t chunk_tokens = 0;  // rows of one step; 0: default_chunk_tokens
  std::int64_t cache_pages = 0;   // 0: default_cache_pages
  bool share_prefixes = true;
  std::int64_t allowed_ids = 0;       // ids past the tokenizer are never drawn; 0: all
  std::vector<std::uint8_t> newline;  // by id: do its bytes hold a newline?
  DType kv_dtype = DType::bf16;
  const LowRanks* adapters = nullptr;  // beside the network's weights; outlive the scheduler
  Graph::Replace replace = {};         // of the network's weights
};

// Continuous batching over the paged cache: sequences join and leave at every step, prompts are
// read in chunks beside the decoding of others, equal beginnings share pages. On `cpu` and `ref`
// a sequence's tokens do not depend on what else runs.
class Scheduler {
 public:
  Scheduler(Backend& backend, const Network& network, SchedulerOptions options);
  ~Scheduler();

  std::int64_t context() const;          // most tokens of a prompt and its answer
  void submit(SequenceRequest request);  // fails with too_long when it can never fit
  bool busy() const;
  bool full() const;  // as many sequences as max_batch are under way
  // One forward pass over everything that can move, in two halves: what the host does between them
  // it does beside the device. Where memory runs out, steps become smaller from then on, and only a
  // sequence that has no room alone ends with an error.
  void begin_step();
  void end_step();
  void step() {
    begin_step();
    end_step();
  }
  void cancel_all(FinishReason reason);

  struct Totals {
    std::int64_t shared_tokens = 0, steps = 0;
    std::int64_t shrunk = 0;  // how often memory ran out
  };
  const Totals& totals() const { return totals_; }

 private:
  struct Sequence;
  struct Step;

  bool admit(Sequence& sequence);
  void drop_expired();
  void admit_waiting();
  Step plan();
  bool queue(Step& step);
  void make_smaller(const Step& step, const Error& error);
  LeadersWanted leaders_wanted_of(const Step& step) const;
  Sample draw(const Sequence& sequence, std::size_t row);
  void advance(Sequence& sequence, std::size_t row);
  std::int64_t allowed() const;
  void drop(Sequence& sequence, const Error& error);
  void finish(Sequence& sequence, FinishReason reason);
  void release(Sequence& sequence);
  void note_full_pages(Sequence& sequence);

  const Network& network_;
  SchedulerOptions options_;
  KvCache cache_;
  StepRunner runner_;
  PrefixIndex prefixes_;
  std::list<std::unique_ptr<Sequence>> waiting_, running_;
  std::unique_ptr<Step> step_;  // under way
  std::int64_t most_rows_;      // of a step: less than was asked for once memory has run out
  std::vector<float> row_;      // logits that leaders do not serve
  Totals totals_;
};

}  // namespace r1
