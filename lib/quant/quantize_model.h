#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "lib/base/output.h"
#include "lib/base/parallel.h"
#include "lib/quant/calibrate.h"
#include "lib/quant/imatrix.h"
#include "lib/quant/plan.h"
#include "lib/quant/tensor_error.h"
#include "lib/quant/tensor_sums.h"

namespace r1 {

struct QuantizeOptions {
  bool search = true;                     // for the best scales; else round to nearest
  const Imatrix* imatrix = nullptr;       // what errors count for
  const PackedTensors* packed = nullptr;  // what is packed already
  std::function<void(std::uint64_t written)> progress = [](std::uint64_t) {};  // may throw
};

// Writes the header and the tensors of a shard, but for those whose sums are in the journal, and
// for the header too when there are any. Rows are read from the old file and packed some at a time,
// on all threads of the pool: the same bytes for any number of them. Fails with `model` for a
// number that is not finite or too large for the type, naming the tensor. Progress is told before a
// piece is made: a tensor that is whole is in the journal.
void write_quantized(Output& out, const ModelFiles& files, const QuantizePlan& plan,
                     const QuantizeOptions& options, ThreadPool& pool, SumJournal& journal,
                     std::size_t shard = 0);

// Opens a shard at `path` and holds it against the plan, against what was written and against the
// old file. Fails with `write` when they differ. Sums and errors are those of the shard's tensors.
std::vector<TensorError> verify_quantized(const std::filesystem::path& path,
                                          const ModelFiles& files, const QuantizePlan& plan,
                                          const std::vector<TensorSums>& sums, ThreadPool& pool,
                                          const std::function<void(std::uint64_t)>& progress,
                                          std::size_t shard = 0);

// The file of a journal of what stands at `partial`: PARTIAL.sums.
std::filesystem::path sums_path(const std::filesystem::path& partial);

// How far the file of a shard that a broken run left at `partial` is what write_quantized would
// write; it is cut to where that goes on. Nothing when it was begun by another plan. Fails with
// `write`.
std::optional<ResumePoint> resume_quantized(const std::filesystem::path& partial,
                                            const ModelFiles& files, const QuantizePlan& plan,
                                            const QuantizeOptions& options, std::size_t shard = 0);

}  // namespace r1
