#pragma once

#include <cstdint>

#include "lib/io/weights.h"
#include "lib/nn/kv_cache.h"

namespace r1 {

// The most memory that a run takes, worked out before anything is loaded.
struct MemoryPlan {
  std::uint64_t weights =
      0;  // 1.1 times the tensors, to which scripts/bench/memory.py holds loading
  std::uint64_t work = std::uint64_t{64} << 20;  // the program, its tokenizer and one step
  std::uint64_t page = 0;                        // one page of the cache, in all layers
  std::int64_t pages = 0;

  std::uint64_t cache() const { return page * static_cast<std::uint64_t>(pages); }
  std::uint64_t total() const { return weights + work + cache(); }
};

// Of a decoder whose cache holds `kv` numbers. `most`: bytes that may be taken, 0: no limit; the
// cache is cut down to fit. Fails with `oom_cpu` when not even one text of moderate length has
// room.
MemoryPlan plan_memory(const ModelFiles& files, DType kv, std::int64_t batch_size,
                       std::uint64_t most);

}  // namespace r1
