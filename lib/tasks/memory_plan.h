#pragma once

#include <cstdint>
#include <string>

#include "lib/backend/backend.h"
#include "lib/base/error.h"
#include "lib/io/weights.h"
#include "lib/nn/kv_cache.h"

namespace r1 {

// The most memory that a run takes, worked out before anything is loaded.
struct MemoryPlan {
  // 1.1 times the tensors, to which scripts/bench/memory.py holds loading, and the adapter.
  std::uint64_t weights = 0;
  std::uint64_t program = std::uint64_t{64} << 20;  // with its tokenizer
  std::uint64_t step = 0;                           // the largest
  std::uint64_t page = 0;                           // one page of the cache, in all layers
  std::int64_t pages = 0;

  std::uint64_t cache() const { return page * static_cast<std::uint64_t>(pages); }
  std::uint64_t total() const { return weights + work() + cache(); }
  std::uint64_t work() const { return program + step; }
};

// Bytes of the host, or of its control group where that has fewer.
std::uint64_t memory_of_machine();
// Of what a control group's memory.max says; 2^64 - 1: as many as there are.
std::uint64_t memory_of_limit(const std::string& limit);

// What a run may take, and what is said when a model wants more.
struct MemoryLimit {
  std::uint64_t bytes = 0;  // 0: no limit
  std::string set_by = "--max-memory";
  ErrorKind kind = ErrorKind::oom_cpu;
};
// Of the device's own memory, else of the machine's. `max_memory`: bytes, 0: no limit;
// `gpu_memory`: bytes, or minus a percentage. A share is of all the device has, not of what happens
// to be free, so that runs repeat.
MemoryLimit memory_limit(const Backend& backend, std::uint64_t max_memory, std::int64_t gpu_memory);

struct MemoryUse {
  DType kv = DType::bf16;  // what the cache holds
  std::int64_t batch_size = 16;
  Device device = Device::cpu;
  std::uint64_t adapter = 0;  // Adapter::bytes_of
};
// Of a decoder. The cache is cut down to fit. Fails with `oom_cpu` or `oom_gpu` when not even one
// text of moderate length has room.
MemoryPlan plan_memory(const ModelFiles& files, const MemoryUse& use, const MemoryLimit& limit);

}  // namespace r1
