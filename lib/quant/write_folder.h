#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "lib/base/parallel.h"
#include "lib/quant/calibrate.h"
#include "lib/quant/folder_plan.h"
#include "lib/quant/tensor_error.h"
#include "lib/quant/tensor_sums.h"

namespace r1 {

struct WriteFolderOptions {
  bool search = true;                // for the best scales, where the type has any to search for
  const Imatrix* imatrix = nullptr;  // what errors count for then
  const PackedTensors* packed = nullptr;  // what is packed already, of w4a16
  std::function<void(std::uint64_t done)> progress = [](std::uint64_t) {};  // may throw
};

// Writes all files of the plan into `folder`, which is there, but for the weights whose sums are in
// the journal. Weights are read and stored some rows at a time, on all threads of the pool: the
// same bytes for any number of them. Fails with `model` for a number that is not finite or too
// large for the type, naming the weight.
void write_folder(const std::filesystem::path& folder, const ModelFiles& files,
                  const FolderPlan& plan, const WriteFolderOptions& options, ThreadPool& pool,
                  SumJournal& journal);

// Opens the new folder as any other and holds it against the plan, against what was written and
// against the old one. Fails with `write` when they differ. Sums and errors are those of the
// weights.
std::vector<TensorError> verify_folder(const std::filesystem::path& folder, const ModelFiles& files,
                                       const FolderPlan& plan, const std::vector<TensorSums>& sums,
                                       ThreadPool& pool,
                                       const std::function<void(std::uint64_t)>& progress);

// The file of a journal in a folder that is not whole.
std::filesystem::path folder_sums_path(const std::filesystem::path& folder);

// How far what a broken run with the same plan and options left in `folder` is what write_folder
// would write.
ResumePoint resume_folder(const std::filesystem::path& folder, const ModelFiles& files,
                          const FolderPlan& plan, const WriteFolderOptions& options);

}  // namespace r1
