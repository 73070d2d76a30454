#include "lib/quant/types.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/base/lower.h"

namespace r1 {
namespace {

using More = Mix::More;

constexpr DType kTensorTypes[] = {DType::f32,    DType::f16,   DType::bf16, DType::q8_0,
                                  DType::q4_0,   DType::q4_k,  DType::q5_k, DType::q6_k,
                                  DType::iq4_nl, DType::iq4_xs};

// What a name says: the layer, or -1, and what follows.
struct Place {
  std::int64_t layer = -1;
  std::string_view part;
};
Place place_of(std::string_view name) {
  if (!name.starts_with("blk.")) return {-1, name};
  const std::string_view rest = name.substr(4);
  std::int64_t layer = -1;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), layer);
  const auto digits = static_cast<std::size_t>(end - rest.data());
  if (error != std::errc() || digits == rest.size()) return {-1, name};
  return {layer, rest.substr(digits + 1)};
}

// Blocks of 256 want rows of whole ones; blocks of 32 fit most others. Never a row filled up.
ChosenType fitting(DType wanted, std::int64_t cols) {
  const DType of_32 = wanted == DType::iq4_xs ? DType::iq4_nl : DType::q8_0;
  for (const DType type : {wanted, of_32, DType::f16})
    if (cols % block_elements(type) == 0) return {type, type != wanted};
  return {DType::f16, true};
}

class Chooser {
 public:
  Chooser(const std::vector<NamedTensor>& tensors, const TypeChoice& choice) : choice_(choice) {
    for (const NamedTensor& t : tensors) {
      layers_ = std::max(layers_, place_of(t.name).layer + 1);
      tied_ = tied_ && t.name != "output.weight";
      if (t.name == "blk.0.attn_q.weight") queries_ = t.tensor.rows();
      if (t.name == "blk.0.attn_v.weight") values_ = t.tensor.rows();
    }
  }

  ChosenType of(const NamedTensor& t) const {
    if (!is_matrix(t)) return {DType::f32};
    const auto names_it = [&](const BoundedRegex& names) { return names.fits(t.name); };
    if (std::any_of(choice_.keep.begin(), choice_.keep.end(), names_it))
      return {.dtype = t.tensor.dtype, .kept = true};
    for (const TypeRule& rule : choice_.rules)
      if (names_it(rule.names)) return fitting(rule.dtype, t.tensor.cols());
    const Place place = place_of(t.name);
    if (const auto named = named_type(place)) return fitting(*named, t.tensor.cols());
    ChosenType chosen = fitting(wanted(place), t.tensor.cols());
    chosen.free = true;
    return chosen;
  }

 private:
  bool is_embedding(const Place& place) const { return place.part == "token_embd.weight"; }
  bool is_head(const Place& place) const {
    return place.part == "output.weight" || (is_embedding(place) && tied_);
  }

  // The head's or the embedding's own.
  std::optional<DType> named_type(const Place& place) const {
    if (is_head(place) && choice_.head) return choice_.head;
    return is_embedding(place) ? choice_.embedding : std::nullopt;
  }

  DType wanted(const Place& place) const {
    const Mix& mix = *choice_.mix;
    if (choice_.pure || !is_quantized(mix.base) || mix.base == DType::q8_0) return mix.base;
    if (is_head(place)) return DType::q6_k;
    const bool value = place.part == "attn_v.weight", down = place.part == "ffn_down.weight";
    if (!value && !down) return mix.base;
    constexpr std::int64_t kFirstValues = 4;
    const std::int64_t eighth = layers_ / 8, i = place.layer;
    if (mix.more == More::first) return i < (value ? kFirstValues : eighth) ? mix.better : mix.base;
    if (mix.more == More::shared) {
      const bool suffers = value ? queries_ >= 4 * values_ : i < eighth && !choice_.calibrated;
      return suffers ? mix.better : mix.base;
    }
    const bool more = i < eighth || i >= 7 * layers_ / 8 || (i - eighth) % 3 == 2;
    return mix.more == More::spread && more ? mix.better : mix.base;
  }

  const TypeChoice& choice_;
  std::int64_t layers_ = 0, queries_ = 0, values_ = 1;  // rows of the matrices that make them
  bool tied_ = true;
};

}  // namespace

const std::vector<Mix>& mixes() {
  static const std::vector<Mix> all = {{"f32", 0, DType::f32, DType::f32},
                                       {"f16", 1, DType::f16, DType::f16},
                                       {"bf16", 32, DType::bf16, DType::bf16},
                                       {"q8_0", 7, DType::q8_0, DType::q8_0},
                                       {"q6_k", 18, DType::q6_k, DType::q6_k},
                                       {"q5_k_m", 17, DType::q5_k, DType::q6_k, More::spread},
                                       {"q5_k_s", 16, DType::q5_k, DType::q5_k},
                                       {"q4_k_m", 15, DType::q4_k, DType::q6_k, More::spread},
                                       {"q4_k_s", 14, DType::q4_k, DType::q5_k, More::first},
                                       {"q4_0", 2, DType::q4_0, DType::q4_0},
                                       {"iq4_nl", 25, DType::iq4_nl, DType::q5_k, More::shared},
                                       {"iq4_xs", 30, DType::iq4_xs, DType::q5_k, More::shared}};
  return all;
}

bool is_mix(std::string_view name) {
  return std::any_of(mixes().begin(), mixes().end(),
                     [name](const Mix& mix) { return mix.name == name; });
}

void want_mix(std::string_view option, std::string_view name) {
  if (is_mix(name)) return;
  std::string all;
  for (const Mix& mix : mixes()) all += (all.empty() ? "" : "|") + std::string(mix.name);
  fail(ErrorKind::usage, "{} wants {}, not '{}'", option, all, escaped(name));
}

const Mix& mix_named(std::string_view name) {
  want_mix("--type", name);
  return *std::find_if(mixes().begin(), mixes().end(),
                       [name](const Mix& mix) { return mix.name == name; });
}

BoundedRegex parse_pattern(const std::string& text, std::string_view shown) {
  return {text,
          BoundedRegex::Text::bytes,
          {fmt::format("{} '{}'", shown, escaped(text)), ErrorKind::usage, ErrorKind::usage}};
}

DType parse_type(std::string_view name, std::string_view shown) {
  for (const DType type : kTensorTypes)
    if (to_string(type) == lower(name)) return type;
  fail(ErrorKind::usage, "{}: '{}' is none of {}", shown, escaped(name),
       fmt::join(tensor_type_names(), " "));
}

bool is_matrix(const NamedTensor& t) {
  return t.tensor.shape.rank() == 2 && t.name.find("_daw_") == std::string::npos;
}

std::vector<DType> quantized_types() {
  std::vector<DType> types;
  for (const DType type : kTensorTypes)
    if (is_quantized(type)) types.push_back(type);
  return types;
}

std::vector<std::string> tensor_type_names() {
  std::vector<std::string> names;
  for (const DType type : kTensorTypes) names.emplace_back(to_string(type));
  return names;
}

std::vector<ChosenType> choose_types(const std::vector<NamedTensor>& tensors,
                                     const TypeChoice& choice) {
  const Chooser chooser(tensors, choice);
  std::vector<ChosenType> types;
  types.reserve(tensors.size());
  for (const NamedTensor& t : tensors) types.push_back(chooser.of(t));
  return types;
}

}  // namespace r1
