#include "lib/decode/step_runner.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace r1 {
namespace {

constexpr std::size_t kMostRecorded = 64;

// The page table of a step: rows of `width`, filled up with page 0, which is not read.
std::vector<std::int32_t> page_table(const StepRows& rows, std::int64_t width) {
  const auto columns = static_cast<std::size_t>(width);
  std::vector<std::int32_t> table(columns * rows.pages.size(), 0);
  for (std::size_t s = 0; s < rows.pages.size(); ++s)
    std::copy(rows.pages[s].begin(), rows.pages[s].end(),
              table.begin() + static_cast<std::ptrdiff_t>(s * columns));
  return table;
}

// A power of two when decoding, so that a growing text changes the shape of a step but seldom.
std::int64_t table_width(const StepRows& rows) {
  std::size_t most = 1;
  for (const auto& pages : rows.pages) most = std::max(most, pages.size());
  return static_cast<std::int64_t>(rows.decoding() ? std::bit_ceil(most) : most);
}

std::int64_t longest_run(const StepRows& rows) {
  std::int64_t longest = 1, run = 0;
  for (std::size_t t = 0; t < rows.ids.size(); ++t) {
    run = t > 0 && rows.sequence[t] == rows.sequence[t - 1] ? run + 1 : 1;
    longest = std::max(longest, run);
  }
  return longest;
}

}  // namespace

std::int64_t default_chunk_tokens(Device device) { return device == Device::cuda ? 2048 : 512; }

StepRunner::StepRunner(Backend& backend, const Network& network, const KvCache& cache,
                       const LowRanks* adapters, Graph::Replace replace)
    : backend_(backend),
      network_(network),
      cache_(cache),
      adapters_(adapters),
      replace_(std::move(replace)),
      prompts_(backend),
      decoding_(backend) {}

void StepRunner::queue(const StepRows& step, const LeadersWanted& leaders) {
  Arena& arena = step.decoding() ? decoding_ : prompts_;
  arena.reset();
  Graph g(backend_, arena);
  g.adapt_weights(adapters_);
  g.replace_weights(replace_);
  const std::int64_t width = table_width(step), sequences = std::ssize(step.pages);
  Rows rows;
  rows.ids = g.integers(step.ids);
  rows.position = g.integers(step.position);
  rows.start = g.integers(step.start);
  rows.newline = g.integers(step.newline);
  // At least one row, so that the pass has an end; its logits are not looked at.
  rows.wanted = g.integers(step.wanted.empty() ? std::vector<std::int32_t>{0} : step.wanted);
  rows.cache = &cache_;
  rows.sequence = g.integers(step.sequence);
  rows.table = g.integers(page_table(step, width)).reshaped({sequences, width});
  rows.longest_run = longest_run(step);
  wanted_ = leaders;
  const Tensor temperature =
      step.wanted.empty() ? Tensor() : g.floats(leaders.temperature);  // as many as wanted rows
  if (!step.decoding()) {
    outputs_ = pass(g, rows, temperature, leaders);
    return;
  }
  Decoding& d = decoding_of(step, width, leaders);
  d.recording->run([&] { d.outputs = pass(g, rows, temperature, leaders); });
  outputs_ = d.outputs;
}

// Recordings hold addresses: when memory has moved, all are made anew.
StepRunner::Decoding& StepRunner::decoding_of(const StepRows& rows, std::int64_t width,
                                              const LeadersWanted& leaders) {
  if (generation_ != decoding_.generation() || recorded_.size() >= kMostRecorded) recorded_.clear();
  generation_ = decoding_.generation();
  Decoding& d = recorded_[{rows.size(), width, leaders.count, leaders.sums ? 1 : 0}];
  if (d.recording == nullptr) d.recording = backend_.record();
  return d;
}

StepRunner::Outputs StepRunner::pass(Graph& g, const Rows& rows, const Tensor& temperature,
                                     const LeadersWanted& leaders) const {
  Outputs out;
  out.logits = network_.forward(g, rows).value;
  if (temperature.empty()) return out;
  const std::int64_t R = out.logits.rows(), K = leaders.count;
  out.leaders = g.take({R * (2 * K + 1)}, DType::i32);
  auto* words = out.leaders.as<std::int32_t>();
  const Tensor ids{words, {R, K}, DType::i32, backend_.device()};
  const Tensor values{words + R * K, {R, K}, DType::f32, backend_.device()};
  Tensor sums{words + 2 * R * K, {R}, DType::f32, backend_.device()};
  if (!leaders.sums) sums = Tensor();
  backend_.leaders(ids, values, sums, out.logits, temperature, leaders.allowed);
  return out;
}

void StepRunner::wait() {
  if (outputs_.leaders.empty()) return backend_.synchronize();
  std::vector<std::int32_t> words(static_cast<std::size_t>(outputs_.leaders.shape.elements()));
  backend_.copy_to_host(words.data(), outputs_.leaders);
  const auto R = static_cast<std::size_t>(outputs_.logits.rows());
  const std::size_t all = R * static_cast<std::size_t>(wanted_.count);
  ids_.assign(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(all));
  logits_.resize(all);
  std::memcpy(logits_.data(), &words[all], all * sizeof(float));
  sums_.assign(R, 0.0f);
  if (wanted_.sums) std::memcpy(sums_.data(), &words[2 * all], R * sizeof(float));
}

void StepRunner::release_memory() {
  backend_.synchronize();
  recorded_.clear();
  prompts_.release();
  decoding_.release();
  outputs_ = {};
}

Leaders StepRunner::leaders(std::size_t r) const {
  const auto K = static_cast<std::size_t>(wanted_.count);
  return {std::span(ids_).subspan(r * K, K), std::span(logits_).subspan(r * K, K), sums_[r],
          wanted_.allowed};
}

void StepRunner::copy_logits(std::vector<float>& to, std::size_t r) const {
  const std::int64_t V = outputs_.logits.cols();
  to.resize(static_cast<std::size_t>(V));
  backend_.copy_to_host(to.data(), {outputs_.logits.as<float>() + static_cast<std::int64_t>(r) * V,
                                    {V},
                                    DType::f32,
                                    outputs_.logits.device});
}

}  // namespace r1
