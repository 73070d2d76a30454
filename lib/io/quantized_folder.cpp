#include "lib/io/quantized_folder.h"

#include <algorithm>
#include <memory>

#include "lib/io/quantized_module.h"

namespace r1 {
namespace {

// Of activations and of a cache: what is computed here is in wider types.
constexpr std::string_view kUnused[] = {"input_scale",  "input_zero_point",  "output_scale",
                                        "k_scale",      "v_scale",           "q_scale",
                                        "k_zero_point", "output_zero_point", "v_zero_point"};

std::unique_ptr<QuantizedFormat> format_of(const QuantizationConfig& config) {
  const std::string method = config.text("quant_method", "");
  if (method == "fp8") return make_fp8_format(config);
  if (method == "compressed-tensors") return make_compressed_tensors_format(config);
  if (method == "gptq") return make_gptq_format(config);
  if (method == "awq") return make_awq_format(config);
  fail(ErrorKind::format, "{} is '{}', which is not read", config.where("quant_method"),
       escaped(method));
}

struct Parted {
  std::string_view module, part;
};
Parted parted(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return {{}, name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

bool is_unused(std::string_view name) {
  return std::find(std::begin(kUnused), std::end(kUnused), parted(name).part) != std::end(kUnused);
}

}  // namespace

std::vector<QuantizedWeight> quantized_weights(const Json& config,
                                               std::vector<NamedTensor>& tensors,
                                               const std::string& where) {
  const Json* said = config.find("quantization_config");
  if (said == nullptr || said->is_null()) return {};
  const auto format = format_of({*said, where + ": quantization_config"});
  QuantizedTensors all{where, {}, {}};
  for (const NamedTensor& t : tensors) all.by_name.emplace(t.name, t.tensor);
  std::vector<QuantizedWeight> weights;
  for (const NamedTensor& t : tensors) {
    const auto [module, part] = parted(t.name);
    if (!format->is_quantized(part, t.tensor)) continue;
    QuantizedModule parts(all, std::string(module));
    weights.push_back(format->read(parts));
    weights.back().made_of = parts.taken();
  }
  std::erase_if(tensors, [&](const NamedTensor& t) {
    return all.taken.contains(t.name) || is_unused(t.name);
  });
  return weights;
}

}  // namespace r1
