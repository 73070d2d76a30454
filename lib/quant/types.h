#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/io/safetensors.h"
#include "lib/text/bounded_regex.h"

namespace r1 {

// What --type may say: a type for all matrices, or a mix that gives more bits to those that suffer
// most from losing them. Mixes are those of llama.cpp's quantizer (src/llama-quant.cpp, 2026-08):
// the head in Q6_K; values and what leads out of the feed-forward in a better type, in all of the
// first and last eighth of the layers and in every third between (_m), or in the first few (_s);
// IQ4: values that four heads share, and the first eighth where no calibration guides the search.
struct Mix {
  enum class More { none, first, spread, shared };
  std::string_view name;
  std::uint32_t file_type;  // general.file_type
  DType base, better;
  More more = More::none;
};
const std::vector<Mix>& mixes();
const Mix& mix_named(std::string_view name);  // fails with `usage`
bool is_mix(std::string_view name);
void want_mix(std::string_view option, std::string_view name);  // fails with `usage`

struct TypeRule {
  BoundedRegex names;  // of tensors, in GGUF's words
  DType dtype;
};
struct TypeChoice {
  const Mix* mix = nullptr;
  bool pure = false;                    // no tensor better than another
  bool calibrated = false;              // the search knows what counts
  std::vector<TypeRule> rules = {};     // of matrices; the first that fits counts, before all else
  std::vector<BoundedRegex> keep = {};  // likewise: as they are
  std::optional<DType> head = {}, embedding = {};  // types of their own
};

// A regular expression for names of tensors. `shown`: the option it came from. Fails with `usage`,
// where a name takes too many steps, too.
BoundedRegex parse_pattern(const std::string& text, std::string_view shown);
DType parse_type(std::string_view name, std::string_view shown);  // of a tensor; fails with `usage`

struct ChosenType {
  DType dtype;
  bool fell_back = false;  // rows do not divide into blocks of the type that was meant
  bool free = false;       // a matrix of whose type nothing is said but the mix
  bool kept = false;       // as it is: TypeChoice::keep
};
std::vector<DType> quantized_types();          // that tensors can have
std::vector<std::string> tensor_type_names();  // of all of them
// Is it one of a product, under its GGUF name? What is none is f32 whatever rules say: vectors, and
// DAW's gates, which are read so whatever a file holds.
bool is_matrix(const NamedTensor& tensor);
// Of each tensor of a model under its GGUF name.
std::vector<ChosenType> choose_types(const std::vector<NamedTensor>& tensors,
                                     const TypeChoice& choice);

}  // namespace r1
