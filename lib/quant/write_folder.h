#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "lib/base/parallel.h"
#include "lib/quant/calibrate.h"
#include "lib/quant/folder_plan.h"
#include "lib/quant/tensor_error.h"

namespace r1 {

// What stands in one shard behind its header, piece by piece.
struct WrittenPiece {
  std::size_t bytes = 0;
  std::string sha256;  // empty: by an earlier run
};
using WrittenShards = std::vector<std::vector<WrittenPiece>>;

struct WriteFolderOptions {
  bool search = true;                // for the best scales, where the type has any to search for
  const Imatrix* imatrix = nullptr;  // what errors count for then
  const PackedTensors* packed = nullptr;  // what is packed already, of w4a16
  std::function<void(std::uint64_t done)> progress = [](std::uint64_t) {};  // may throw
};

// Writes all files of the plan into `folder`, which is there, but for the weights that a run with
// the same plan and options, which broke off, left there. Weights are read and stored some rows
// at a time, on all threads of the pool: the same bytes for any number of them. Fails with `model`
// for a number that is not finite, naming the weight.
WrittenShards write_folder(const std::filesystem::path& folder, const ModelFiles& files,
                           const FolderPlan& plan, const WriteFolderOptions& options,
                           ThreadPool& pool);

// Opens the new folder as any other and holds it against the plan, against what was written and
// against the old one. Fails with `write` when they differ. The errors are those of the weights.
std::vector<TensorError> verify_folder(const std::filesystem::path& folder, const ModelFiles& files,
                                       const FolderPlan& plan, const WrittenShards& written,
                                       ThreadPool& pool,
                                       const std::function<void(std::uint64_t)>& progress);

}  // namespace r1
