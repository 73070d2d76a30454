#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/io/safetensors.h"

namespace r1 {

// How the weights of a Hugging Face folder stand in its files.
inline constexpr const char *kWeightsFile = "model.safetensors",
                            *kWeightsIndex = "model.safetensors.index.json";
inline constexpr std::uint64_t kWeightsFileBytes = 5'000'000'000;  // at most, unless told otherwise

std::uint64_t total_bytes(const std::vector<NamedTensor>& tensors);

struct WeightsFile {
  std::string name;                  // kWeightsFile, or "model-00001-of-00002.safetensors"
  std::size_t first = 0, end = 0;    // groups
  std::vector<NamedTensor> tensors;  // of them, labels

  std::uint64_t bytes() const { return total_bytes(tensors); }
};

// Files of at most so many bytes of tensors, or of one group: what is in one stays together. Fails
// with `usage` where there would be more than are read.
std::vector<WeightsFile> weights_files(const std::vector<std::vector<NamedTensor>>& groups,
                                       std::uint64_t most);
// The text of kWeightsIndex, which says what tensor stands in what file; empty where one has all.
std::string weights_index(const std::vector<WeightsFile>& files);

}  // namespace r1
