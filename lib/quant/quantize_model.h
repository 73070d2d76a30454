#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/output.h"
#include "lib/base/parallel.h"
#include "lib/quant/calibrate.h"
#include "lib/quant/imatrix.h"
#include "lib/quant/plan.h"
#include "lib/quant/tensor_error.h"

namespace r1 {

struct QuantizeOptions {
  bool search = true;                     // for the best scales; else round to nearest
  const Imatrix* imatrix = nullptr;       // what errors count for
  const PackedTensors* packed = nullptr;  // what is packed already
  std::function<void(std::uint64_t written)> progress = [](std::uint64_t) {};  // may throw
};

// SHA-256 of what was written of a tensor, piece by piece; none of a tensor of an earlier run.
using Digests = std::vector<std::string>;

// Writes the header and the tensors of a shard, but for the first `done` of them, and for the
// header too when there are any. Rows are read from the old file and packed some at a time, on all
// threads of the pool: the same bytes for any number of them. Fails with `model` for a number that
// is not finite, naming the tensor. The digests are those of the shard's tensors.
std::vector<Digests> write_quantized(Output& out, const ModelFiles& files, const QuantizePlan& plan,
                                     const QuantizeOptions& options, ThreadPool& pool,
                                     std::size_t shard = 0, std::size_t done = 0);

// Opens a shard at `path` and holds it against the plan, against what was written and against the
// old file. Fails with `write` when they differ. The errors are those of the shard's tensors.
std::vector<TensorError> verify_quantized(const std::filesystem::path& path,
                                          const ModelFiles& files, const QuantizePlan& plan,
                                          const std::vector<Digests>& written, ThreadPool& pool,
                                          const std::function<void(std::uint64_t)>& progress,
                                          std::size_t shard = 0);

// How many of a shard's tensors a run that broke off left at `path`, which is cut to where
// `write_quantized` goes on; nothing when it was begun by another plan. Fails with `write`.
std::optional<std::size_t> resume_point(const std::filesystem::path& path, const QuantizePlan& plan,
                                        std::size_t shard = 0);

}  // namespace r1
