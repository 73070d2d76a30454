#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "lib/decode/sampler.h"
#include "lib/models/network.h"

namespace r1 {

// The rows of one forward pass over the cache, on the host. Rows of a sequence stand together.
struct StepRows {
  std::vector<std::int32_t> ids, position, sequence, newline;  // [T]
  std::vector<std::int32_t> start;                             // [T]: first row of its sequence
  std::vector<std::int32_t> wanted;                            // [R]: rows whose logits are wanted
  std::vector<std::span<const std::int32_t>> pages;            // of each sequence

  std::int64_t size() const { return static_cast<std::int64_t>(ids.size()); }
  bool decoding() const {  // a row of each sequence, and all of them wanted
    return pages.size() == ids.size() && wanted.size() == ids.size();
  }
};

// Rows of a step in which prompts are read, where nobody asks for another number. More keep a card
// busy; fewer let decoding sequences, which share the step, wait less.
std::int64_t default_chunk_tokens(Device device);

// What draws want to know of the wanted rows.
struct LeadersWanted {
  std::int64_t count = 1;  // leaders of each row
  bool sums = false;
  std::vector<float> temperature;  // [R]
  std::int64_t allowed = 0;        // columns that count
};

// Runs a network step by step. Logits stay on the device; what comes to the host is their leaders.
// Steps of decoding are recorded: `Recording` of lib/backend. Backend, network and cache outlive
// it.
class StepRunner {
 public:
  // `adapters` and `replace`, of weights, may be none; they outlive it too.
  StepRunner(Backend& backend, const Network& network, const KvCache& cache,
             const LowRanks* adapters = nullptr, Graph::Replace replace = {});

  // Queues a pass, and waits for nothing. When it fails with oom_cpu or oom_gpu nothing is lost but
  // time: what the cache got of these rows it may get again.
  void queue(const StepRows& rows, const LeadersWanted& leaders);
  void wait();            // for the pass, and takes over its leaders
  void release_memory();  // of steps; the next one takes anew what it needs

  // Of row `r` of `wanted`, after `wait`.
  Leaders leaders(std::size_t r) const;
  void copy_logits(std::vector<float>& to, std::size_t r) const;  // [V]

 private:
  struct Outputs {
    Tensor logits;   // [R, V]
    Tensor leaders;  // [R (2 K + 1)] words: ids, logits, sums
  };
  struct Decoding {
    std::unique_ptr<Recording> recording;
    Outputs outputs;
  };
  Outputs pass(Graph& g, const Rows& rows, const Tensor& temperature,
               const LeadersWanted& leaders) const;
  Decoding& decoding_of(const StepRows& rows, std::int64_t width, const LeadersWanted& leaders);

  Backend& backend_;
  const Network& network_;
  const KvCache& cache_;
  const LowRanks* adapters_;
  Graph::Replace replace_;
  Arena prompts_, decoding_;  // the one for recordings stays where it is
  std::map<std::array<std::int64_t, 4>, Decoding> recorded_;
  std::uint64_t generation_ = 0;  // of decoding_, when they were made
  Outputs outputs_;
  LeadersWanted wanted_;
  std::vector<std::int32_t> ids_;     // [R, K]
  std::vector<float> logits_, sums_;  // [R, K], [R]
};

}  // namespace r1
