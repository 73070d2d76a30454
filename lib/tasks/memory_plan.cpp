#include "lib/tasks/memory_plan.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/decode/scheduler.h"
#include "lib/models/decoder_config.h"

namespace r1 {
namespace {

constexpr std::int64_t kModerateTokens = 2048;

std::string as_size(std::uint64_t bytes) {
  if (bytes < (1U << 20)) return fmt::format("{} bytes", bytes);
  return fmt::format("{:.0f}M", static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

MemoryPlan plan_memory(const ModelFiles& files, DType kv, std::int64_t batch_size,
                       std::uint64_t most) {
  const DecoderConfig config = read_decoder_config(files);
  const KvShape shape{.layers = config.layers,
                      .kv_heads = config.attention.kv_heads,
                      .head_dim = config.attention.head_dim,
                      .decay = config.attention.daw.has_value(),
                      .dtype = kv};
  MemoryPlan plan;
  for (const NamedTensor& t : files.tensors()) plan.weights += t.tensor.bytes();
  plan.weights += plan.weights / 10;
  plan.page = shape.page_bytes();
  plan.pages = default_cache_pages(shape, config.context, batch_size);
  if (most == 0 || plan.total() <= most) return plan;
  const std::uint64_t fixed = plan.weights + plan.work;
  const auto fit = static_cast<std::int64_t>(most > fixed ? (most - fixed) / plan.page : 0);
  const std::int64_t least = pages_for(std::min(config.context, kModerateTokens));
  if (fit < least)
    fail(ErrorKind::oom_cpu,
         "{}: weights {}, work {} and the cache of one text of {} tokens {} are more than "
         "--max-memory {}",
         escaped(files.path().string()), as_size(plan.weights), as_size(plan.work),
         std::min(config.context, kModerateTokens),
         as_size(plan.page * static_cast<std::uint64_t>(least)), as_size(most));
  plan.pages = std::min(plan.pages, fit);
  return plan;
}

}  // namespace r1
