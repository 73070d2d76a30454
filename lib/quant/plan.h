#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lib/io/weights.h"
#include "lib/models/gguf_export.h"
#include "lib/quant/types.h"

namespace r1 {

// A tensor on its way from one file to another.
struct PlannedTensor {
  GgufTensor source;  // in the old file, which stays open
  DType to = DType::f32;
  bool fell_back = false, free = false, kept = false;  // as ChosenType
  // [K], or none: each number of a row is multiplied by that of its column (channel_scales.h).
  std::shared_ptr<const std::vector<float>> channel_scales;

  const std::string& name() const { return source.name; }
  const Tensor& from() const { return source.source; }
  // Blocks of the old file that go over as they are, and blocks that are made.
  bool copied() const { return is_quantized(to) && to == from().dtype; }
  bool packed_anew() const { return is_quantized(to) && to != from().dtype; }
  Tensor target() const { return {nullptr, from().shape, to}; }
  // values [K] <- row `row` of the new tensor, before it is packed.
  void read_row(std::span<float> values, std::int64_t row) const;
};

// One file of the new model: all of it, or a shard.
struct PlannedShard {
  std::string header;
  std::size_t first = 0, end = 0;       // tensors
  std::uint64_t before = 0, bytes = 0;  // of the files before it; of this one
};

// What is to be written: a GGUF v3 file with all of the old one's metadata but for what says how
// its tensors are stored; of a Hugging Face folder with what such files hold of it.
struct QuantizePlan {
  const ModelFiles* files = nullptr;
  GgufMetadata metadata;
  std::vector<PlannedTensor> tensors;
  std::vector<float> rope_factors;    // what a tensor points to that no file of a folder holds
  std::uint64_t shard_bytes = 0;      // of a file at most, where there are more; 0: one file
  std::vector<PlannedShard> shards;   // in order; there is one at least
  std::vector<std::uint64_t> begins;  // of each tensor, in its file
  std::uint64_t bytes = 0;            // of all files

  // OUT.gguf; of shards OUT-00001-of-00003.gguf and so on.
  std::vector<std::filesystem::path> paths(const std::filesystem::path& out) const;

  std::vector<NamedTensor> sources() const;  // of the old file, under their new names
  std::uint64_t weights() const;             // numbers in all tensors
  // Writes into the header what else the file's bytes depend on; 16 digits take no other room than
  // the zeros that stand there first.
  void set_recipe(const std::string& digits);
  // After types were changed: what most matrices are, as general.file_type says it.
  void set_file_type(std::uint32_t file_type);
  // Cuts what is larger than that into shards of at most so many bytes or one tensor, as
  // llama-gguf-split does: the first has the metadata, and each says which of them it is. Fails
  // with `usage` for more than are read.
  void set_shard_size(std::uint64_t bytes);
};

// Fails with `usage` where a quantized tensor would be quantized again, unless `requantize`.
// `data_dir` holds pretokenizers.json. The files outlive the plan.
QuantizePlan plan_quantization(const ModelFiles& files, const TypeChoice& choice, bool requantize,
                               const std::filesystem::path& data_dir = {});
// Fails with `usage` where a tensor that may be of any type is in blocks, or was.
void refuse_blocks(const QuantizePlan& plan);

}  // namespace r1
