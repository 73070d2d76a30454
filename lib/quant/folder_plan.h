#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/io/weights.h"
#include "lib/io/weights_files.h"
#include "lib/text/bounded_regex.h"

namespace r1 {

// What the weights of a Hugging Face folder can become. The quantized ones are for the matrices of
// the layers' products alone; all else stays as it is.
enum class FolderType {
  f32,
  f16,
  bf16,
  fp8,        // E4M3, a scale a row: compressed-tensors, float-quantized
  fp8_block,  // E4M3, a scale for 128 by 128: DeepSeek's
  w4a16,      // 4 bits, a scale for 128 of a row: compressed-tensors, pack-quantized
};
std::vector<std::string> folder_type_names();
std::optional<FolderType> folder_type(std::string_view name);

struct FolderChoice {
  FolderType type = FolderType::bf16;
  std::vector<BoundedRegex> keep = {};  // names of weights that are not quantized
  bool requantize = false;
  std::uint64_t shard_bytes = kWeightsFileBytes;
};

// A weight on its way from one folder to another.
struct FolderWeight {
  NamedTensor source;     // in the old folder, which stays open
  std::string gguf_name;  // by which calibration knows it; empty where it knows none
  bool quantized = false;
  bool fell_back = false;           // meant to be, but groups do not divide its rows
  std::vector<NamedTensor> stored;  // labels: plain; or levels, scales, and of w4a16 the shape

  std::uint64_t bytes() const { return total_bytes(stored); }
};

struct FolderShard {
  std::string file;                // WeightsFile's name
  std::string header;              // what stands before the weights' bytes
  std::size_t first = 0, end = 0;  // weights
  std::uint64_t bytes = 0;
};

struct FolderPlan {
  FolderType type = FolderType::bf16;
  std::vector<FolderWeight> weights;
  std::vector<FolderShard> shards;
  std::string config, index;                  // texts of JSON; no index of one shard
  std::vector<std::filesystem::path> copied;  // small files that go along unchanged
  std::uint64_t bytes = 0;                    // of the shards
};

// Fails with `usage` where a quantized weight would be quantized again, unless `requantize`, and
// with `model` for an unknown architecture or a model that lacks a tensor.
// The files outlive the plan.
FolderPlan plan_folder(const ModelFiles& files, const FolderChoice& choice);

}  // namespace r1
