#include "lib/tasks/memory_plan.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include <unistd.h>

#include "lib/base/error.h"
#include "lib/decode/scheduler.h"
#include "lib/decode/step_runner.h"
#include "lib/models/decoder_config.h"

namespace r1 {
namespace {

std::string as_size(std::uint64_t bytes) {
  if (bytes < (1U << 20)) return fmt::format("{} bytes", bytes);
  return fmt::format("{:.0f}M", static_cast<double>(bytes) / (1 << 20));
}

// What a step of most rows takes from its arena, two layers of it (Graph::layer), and its
// logits. A card's products also take a copy of their input and of one weight in bf16.
std::uint64_t step_bytes(const DecoderConfig& config, const MemoryUse& use) {
  const DecoderConfig::Attention& a = config.attention;
  const std::int64_t rows = std::max(default_chunk_tokens(use.device), use.batch_size);
  const std::int64_t q = a.heads * a.head_dim, kv = a.kv_heads * a.head_dim;
  // Of a row: norms and sums; q, k, v, with norm, rope and gain of their own; gate, up, product.
  const std::int64_t row = 4 * config.width + 5 * q + 4 * kv + 3 * config.inner;
  const std::int64_t logits = (use.batch_size + 1) * (config.vocab + config.width);
  std::int64_t bytes = 4 * (2 * rows * row + logits);
  if (use.device == Device::cuda)
    bytes += 2 * (rows + config.width) * std::max(config.inner, config.width);
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace

std::uint64_t memory_of_limit(const std::string& limit) {
  std::istringstream words(limit);
  std::uint64_t bytes = 0;
  return words >> bytes ? bytes : std::numeric_limits<std::uint64_t>::max();
}

std::uint64_t memory_of_machine() {
  std::ifstream file("/sys/fs/cgroup/memory.max");
  std::string limit;
  std::getline(file, limit);
  return std::min(memory_of_limit(limit), static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                                              static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE)));
}

MemoryLimit memory_limit(const Backend& backend, std::uint64_t max_memory,
                         std::int64_t gpu_memory) {
  const std::uint64_t total = backend.memory().total;
  if (total == 0) return {.bytes = max_memory};
  const std::uint64_t bytes = gpu_memory < 0 ? total / 100 * static_cast<std::uint64_t>(-gpu_memory)
                                             : static_cast<std::uint64_t>(gpu_memory);
  return {.bytes = std::min(bytes, total), .set_by = "--gpu-memory", .kind = ErrorKind::oom_gpu};
}

MemoryPlan plan_memory(const ModelFiles& files, const MemoryUse& use, const MemoryLimit& limit) {
  const DecoderConfig config = read_decoder_config(files);
  KvShape shape = kv_shape(config);
  shape.dtype = use.kv;
  MemoryPlan plan;
  for (const NamedTensor& t : files.tensors()) plan.weights += t.tensor.bytes();
  plan.weights += plan.weights / 10 + use.adapter;
  plan.step = step_bytes(config, use);
  plan.page = shape.page_bytes();
  plan.pages = default_cache_pages(shape, config.context, use.batch_size);
  const std::uint64_t most = limit.bytes;
  if (most == 0 || plan.total() <= most) return plan;
  const std::uint64_t fixed = plan.weights + plan.work();
  const auto fit = static_cast<std::int64_t>(most > fixed ? (most - fixed) / plan.page : 0);
  const std::int64_t least = pages_for(std::min(config.context, kModerateTokens));
  if (fit < least)
    fail(limit.kind,
         "{}: weights {}, work {} and the cache of one text of {} tokens {} are more than "
         "{} {}",
         escaped(files.path().string()), as_size(plan.weights), as_size(plan.work()),
         std::min(config.context, kModerateTokens),
         as_size(plan.page * static_cast<std::uint64_t>(least)), limit.set_by, as_size(most));
  plan.pages = std::min(plan.pages, fit);
  return plan;
}

}  // namespace r1
