#include "tools/bench/stepper.h"

#include <algorithm>
#include <numeric>

#include "lib/base/error.h"
#include "lib/decode/scheduler.h"
#include "tools/bench/machine.h"
#include "tools/bench/measure.h"

namespace r1 {
namespace {

KvShape checked_shape(const Network& network, DType kv, std::int64_t sequences,
                      std::int64_t tokens) {
  const NetworkShape& shape = network.shape();
  if (tokens > shape.context)
    fail(ErrorKind::too_long, "it wants {} positions, and the model takes {}", tokens,
         shape.context);
  KvShape cache = shape.kv;
  cache.dtype = kv;
  const double bytes =
      static_cast<double>(cache.page_bytes()) * static_cast<double>(sequences * pages_for(tokens));
  if (bytes > static_cast<double>(available_memory()))
    fail(ErrorKind::oom_cpu, "its cache wants {:.0f} MB, and {:.0f} MB are free", bytes / 1e6,
         static_cast<double>(available_memory()) / 1e6);
  return cache;
}

}  // namespace

Stepper::Stepper(Backend& backend, const Network& network, DType kv, std::int64_t sequences,
                 std::int64_t tokens)
    : backend_(backend),
      network_(network),
      pages_(pages_for(tokens)),
      cache_(backend, checked_shape(network, kv, sequences, tokens), sequences * pages_),
      arena_(backend) {}

void Stepper::step(std::int64_t sequences, std::int64_t rows, std::int64_t position) {
  std::vector<std::int32_t> ids, positions, starts, sequence, wanted;
  const std::int64_t vocab = network_.shape().vocab;
  for (std::int64_t s = 0; s < sequences; ++s) {
    for (std::int64_t r = position; r < position + rows; ++r) {
      ids.push_back(static_cast<std::int32_t>((s * 7919 + r * 31) % vocab));
      positions.push_back(static_cast<std::int32_t>(r));
      starts.push_back(static_cast<std::int32_t>(s * rows));
      sequence.push_back(static_cast<std::int32_t>(s));
    }
    wanted.push_back(static_cast<std::int32_t>((s + 1) * rows - 1));
  }
  std::vector<std::int32_t> table(static_cast<std::size_t>(sequences * pages_));
  std::iota(table.begin(), table.end(), 0);
  arena_.reset();
  Graph g(backend_, arena_);
  Rows step{.ids = g.integers(ids), .position = g.integers(positions), .start = g.integers(starts)};
  step.newline = g.integers(std::vector<std::int32_t>(ids.size(), 0));
  step.wanted = g.integers(wanted);
  step.cache = &cache_;
  step.sequence = g.integers(sequence);
  step.table = g.integers(table).reshaped({sequences, pages_});
  const Var logits = network_.forward(g, step);
  logits_.resize(static_cast<std::size_t>(logits.value.shape.elements()));
  backend_.copy_to_host(logits_.data(), logits.value);
}

void Stepper::read(std::int64_t sequences, std::int64_t rows, std::int64_t position) {
  const std::int64_t most = std::max<std::int64_t>(1, kChunk / sequences);
  for (std::int64_t done = 0; done < rows; done += most) {
    stop_when_interrupted();
    step(sequences, std::min(most, rows - done), position + done);
  }
}

}  // namespace r1
