#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/io/weights.h"

namespace r1 {

// A tensor of a GGUF file and where it comes from.
struct GgufTensor {
  std::string name;
  Tensor source;              // of the folder; may be any plain type
  std::int64_t head_dim = 0;  // over 0: rows i and i + hd/2 of each head become 2i and 2i + 1
};

// What a GGUF file of a Hugging Face folder holds, but for its vocabulary (lib/text/
// gguf_vocabulary.h) and how its tensors are stored. Keys and stored types are llama.cpp's. Points
// into the folder's files.
struct GgufExport {
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;
  std::vector<float> rope_factors;  // what the tensor rope_freqs.weight points to; llama3's rope
  std::int64_t vocab = 0;           // rows of the embedding
};

// Fails with `model` for a tensor that has no place in a GGUF file, or is missing, and for what
// GGUF's keys cannot say.
GgufExport export_gguf(const ModelFiles& folder);

// Where row `row` of a GGUF tensor stands in the folder's: heads of `head_dim` rows are in pairs
// there where that is over 0.
std::int64_t row_in_folder(std::int64_t row, std::int64_t head_dim);
// Row `row` of the tensor as it stands in the GGUF file, where it lies in the folder.
const std::byte* row_of(const GgufTensor& tensor, std::int64_t row);

// values <- whole rows of the tensor as it stands in the GGUF file, from row `first` on; a vector
// has rows of one number.
void read_rows(std::span<float> values, const GgufTensor& tensor, std::int64_t first);

// Does this key say how a file's tensors are stored? Another file of the model says it anew.
bool tells_storage(std::string_view key);

}  // namespace r1
