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

// Writes the tensors from `first` on, and the header when that is 0. Rows are read from the old
// file and packed some at a time, on all threads of the pool: the same bytes for any number of
// them. Fails with `model` for a number that is not finite, naming the tensor.
std::vector<Digests> write_quantized(Output& out, const ModelFiles& files, const QuantizePlan& plan,
                                     const QuantizeOptions& options, ThreadPool& pool,
                                     std::size_t first = 0);

// Opens the new file and holds it against the plan, against what was written and against the old
// file. Fails with `write` when they differ.
std::vector<TensorError> verify_quantized(const std::filesystem::path& path,
                                          const ModelFiles& files, const QuantizePlan& plan,
                                          const std::vector<Digests>& written, ThreadPool& pool,
                                          const std::function<void(std::uint64_t)>& progress);

// The tensor to go on with after a run that broke off and left `path`, which is cut to where
// `write_quantized` goes on; nothing when it was begun by another plan. Fails with `write`.
std::optional<std::size_t> resume_point(const std::filesystem::path& path,
                                        const QuantizePlan& plan);

}  // namespace r1
