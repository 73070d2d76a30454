#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/decode/scheduler.h"
#include "lib/decode/stop.h"
#include "lib/tasks/loaded_model.h"

namespace r1 {

// What to complete. With `suffix` the middle is filled in; with `messages` the chat template is
// used.
struct CompletionRequest {
  std::string id;
  std::string prefix;
  std::optional<std::string> suffix;
  std::vector<ExtraFile> extra;
  std::vector<ChatMessage> messages;
  std::int64_t max_tokens = 128;
  SamplingOptions sampling;
  StopRules stop;
  // Take the end of a word that was cut back and let the model write it (lib/tasks/healing.h). Not
  // of messages. What was there already is no part of the answer.
  bool heal = true;
  // Leave out what is farthest from the caret when the text is longer than the model takes; without
  // it that is `too_long`. Not of messages.
  bool fit = false;
  int answers = 1;                 // -N
  int logprobs = -1;               // -1: none; k: of the token, and the k most likely beside it
  std::int64_t time_limit_ms = 0;  // then the answer ends with what there is
  std::int64_t timeout_ms = 0;     // then the item fails with `timeout`
  bool skip = false;               // has its answer already: comes back in its place, without one
  std::optional<Error> broken;     // a request that could not be read: answered by this error
};

struct Answer {
  std::string text;  // whole UTF-8 characters
  FinishReason finish = FinishReason::stop;
  std::string reasoning;
  std::vector<TokenId> tokens;  // a healed answer's first one begins in the prompt's last word
  std::vector<Sample> samples;  // with logprobs >= 0
};

struct CompletionResult {
  std::int64_t index = 0;
  CompletionRequest request;
  std::vector<Answer> answers;
  std::int64_t prompt_tokens = 0;
  std::vector<std::string> warnings;
  // Memory ran out in this run, so that batches, and with them last digits, may differ.
  bool smaller_steps = false;
  std::optional<Error> error;
};

struct CompletionOptions {
  std::int64_t batch_size = 16;
  std::int64_t max_inflight = 64;  // results that may wait for an earlier one
  bool unordered = false;
};

// The library's face for text: many requests in, results in input order out, one model.
class Completer {
 public:
  Completer(Backend& backend, const LoadedModel& model, const CompletionOptions& options);
  ~Completer();

  enum class Next { request, not_yet, end };
  struct Callbacks {
    // Fills in the next request; `not_yet` when none has arrived and others are under way
    // (`may_wait` false). With `may_wait` it blocks until there is one.
    std::function<Next(CompletionRequest&, bool may_wait)> next;
    std::function<void(CompletionResult&&)> done;  // in input order unless `unordered`
    // Text of the earliest unfinished request with one answer, as it is made; may be empty.
    std::function<void(std::string_view)> stream;
    std::function<bool()> interrupted;  // asked once a step; may be empty
  };
  // Returns when all are answered. An item that fails is a result with an error, in its place. May
  // be called again: beginnings of text that are still in the cache are not read anew.
  void run(const Callbacks& callbacks);

 private:
  struct Item;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace r1
