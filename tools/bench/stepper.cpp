#include "tools/bench/stepper.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/decode/scheduler.h"
#include "tools/bench/machine.h"
#include "tools/bench/measure.h"
#include "tools/common/signals.h"

namespace r1 {

KvShape cache_shape(const Backend& backend, const Network& network, DType kv,
                    std::int64_t sequences, std::int64_t tokens) {
  const NetworkShape& shape = network.shape();
  if (tokens > shape.context)
    fail(ErrorKind::too_long, "it wants {} positions, and the model takes {}", tokens,
         shape.context);
  KvShape cache = shape.kv;
  cache.dtype = kv;
  const double bytes =
      static_cast<double>(cache.page_bytes()) * static_cast<double>(sequences * pages_for(tokens));
  const DeviceMemory card = backend.memory();
  const auto free = static_cast<double>(
      card.total > 0 ? card.free : static_cast<std::uint64_t>(available_memory()));
  if (bytes > free)
    fail(card.total > 0 ? ErrorKind::oom_gpu : ErrorKind::oom_cpu,
         "its cache wants {:.0f} MB, and {:.0f} MB are free", bytes / 1e6, free / 1e6);
  return cache;
}

Stepper::Stepper(Backend& backend, const Network& network, DType kv, std::int64_t sequences,
                 std::int64_t tokens, const LowRanks* adapters)
    : network_(network),
      chunk_(default_chunk_tokens(backend.device())),
      pages_(pages_for(tokens)),
      cache_(backend, cache_shape(backend, network, kv, sequences, tokens), sequences * pages_),
      page_numbers_(cache_.numbers()),
      runner_(backend, network, cache_, adapters) {}

void Stepper::step(std::int64_t sequences, std::int64_t rows, std::int64_t position) {
  StepRows step;
  const std::int64_t vocab = network_.shape().vocab;
  for (std::int64_t s = 0; s < sequences; ++s) {
    for (std::int64_t r = position; r < position + rows; ++r) {
      step.ids.push_back(static_cast<std::int32_t>((s * 7919 + r * 31) % vocab));
      step.position.push_back(static_cast<std::int32_t>(r));
      step.start.push_back(static_cast<std::int32_t>(s * rows));
      step.sequence.push_back(static_cast<std::int32_t>(s));
    }
    step.wanted.push_back(static_cast<std::int32_t>((s + 1) * rows - 1));
    step.pages.push_back(
        std::span(page_numbers_)
            .subspan(static_cast<std::size_t>(s * pages_), static_cast<std::size_t>(pages_)));
  }
  step.newline.assign(step.ids.size(), 0);
  const LeadersWanted best{
      .temperature = std::vector<float>(static_cast<std::size_t>(sequences), 1.0f),
      .allowed = vocab};
  runner_.queue(step, best);
  runner_.wait();
  sequences_ = sequences;
}

std::vector<float> Stepper::logits() const {
  std::vector<float> all, row;
  for (std::int64_t s = 0; s < sequences_; ++s) {
    runner_.copy_logits(row, static_cast<std::size_t>(s));
    all.insert(all.end(), row.begin(), row.end());
  }
  return all;
}

void Stepper::read(std::int64_t sequences, std::int64_t rows, std::int64_t position) {
  const std::int64_t most = std::max<std::int64_t>(1, chunk_ / sequences);
  for (std::int64_t done = 0; done < rows; done += most) {
    stop_when_interrupted();
    step(sequences, std::min(most, rows - done), position + done);
  }
}

}  // namespace r1
