#include "lib/quant/folder_plan.h"

#include <algorithm>
#include <iterator>

#include "lib/base/error.h"
#include "lib/io/small_files.h"
#include "lib/models/decoder_config.h"
#include "lib/models/tensor_names.h"
#include "lib/quant/folder_strip.h"
#include "lib/quant/storable.h"

namespace r1 {
namespace {

struct Named {
  std::string_view name;
  FolderType type;
};
constexpr Named kTypes[] = {{"f32", FolderType::f32},
                            {"f16", FolderType::f16},
                            {"bf16", FolderType::bf16},
                            {"fp8", FolderType::fp8},
                            {"fp8_block", FolderType::fp8_block},
                            {"w4a16", FolderType::w4a16}};

std::optional<DType> plain_type(FolderType type) {
  if (type == FolderType::f32) return DType::f32;
  if (type == FolderType::f16) return DType::f16;
  if (type == FolderType::bf16) return DType::bf16;
  return std::nullopt;
}

bool is_layer_matrix(const NamedTensor& t) {
  return t.tensor.shape.rank() == 2 && t.name.starts_with("model.layers.") &&
         t.name.ends_with(".weight");
}

// DAW's gates are small, and want every bit.
bool may_be_quantized(const NamedTensor& t) {
  return is_layer_matrix(t) && t.name.find(".daw.") == std::string::npos;
}

std::string module_of(const std::string& weight) {
  return weight.substr(0, weight.size() - std::string_view(".weight").size());
}

// Of a layer's weight its name in GGUF, or nothing.
std::string name_in_gguf(const std::string& weight) {
  constexpr std::string_view kLayers = "model.layers.", kBlocks = "blk.";
  const std::size_t dot = weight.find('.', kLayers.size());
  if (!weight.starts_with(kLayers) || dot == std::string::npos) return {};
  const std::string number = weight.substr(kLayers.size(), dot - kLayers.size());
  const std::string in_first = std::string(kLayers) + "0" + weight.substr(dot);
  for (const TensorName& name : tensor_names(1))
    if (name.hugging_face == in_first)
      return std::string(kBlocks) + number + name.gguf.substr(kBlocks.size() + 1);
  return {};
}

// --- Weights -------------------------------------------------------------------------------------

// What safetensors has no type for goes to f16.
DType kept_type(DType dtype) { return is_quantized(dtype) ? DType::f16 : dtype; }

std::vector<NamedTensor> stored_parts(const NamedTensor& source, FolderType type) {
  const std::int64_t N = source.tensor.rows(), K = source.tensor.cols();
  const std::string module = module_of(source.name);
  const auto label = [&](const char* part, const Shape& shape, DType dtype) {
    return NamedTensor{module + part, {nullptr, shape, dtype}};
  };
  const auto blocks = [](std::int64_t n) { return (n + kFolderBlock - 1) / kFolderBlock; };
  if (type == FolderType::w4a16)
    return {label(".weight_packed", {N, K / 8}, DType::i32),
            label(".weight_scale", {N, K / kFolderBlock}, w4a16_scale_type(source.tensor.dtype)),
            label(".weight_shape", {2}, DType::i64)};
  const NamedTensor weight = label(".weight", {N, K}, DType::f8_e4m3);
  if (type == FolderType::fp8) return {weight, label(".weight_scale", {N, 1}, DType::f32)};
  return {weight, label(".weight_scale_inv", {blocks(N), blocks(K)}, DType::f32)};
}

FolderWeight planned(const NamedTensor& source, const ModelFiles& files,
                     const FolderChoice& choice) {
  FolderWeight w{source, name_in_gguf(source.name)};
  const std::optional<DType> plain = plain_type(choice.type);
  const bool kept = std::any_of(choice.keep.begin(), choice.keep.end(),
                                [&](const BoundedRegex& names) { return names.fits(source.name); });
  const bool meant = !plain && !kept && may_be_quantized(source);
  w.fell_back =
      meant && choice.type == FolderType::w4a16 && source.tensor.cols() % kFolderBlock != 0;
  w.quantized = meant && !w.fell_back;
  if (w.quantized && files.was_quantized(source.tensor) && !choice.requantize)
    fail(ErrorKind::usage, "{} is quantized already; --allow-requantize loses more",
         escaped(source.name));
  if (w.quantized) {
    w.stored = stored_parts(source, choice.type);
  } else {
    const DType dtype = plain && !kept ? *plain : kept_type(source.tensor.dtype);
    w.stored = {{source.name, {nullptr, source.tensor.shape, dtype}}};
  }
  return w;
}

// --- Files ---------------------------------------------------------------------------------------

void lay_out(FolderPlan& plan, std::uint64_t most) {
  std::vector<std::vector<NamedTensor>> groups;
  for (const FolderWeight& w : plan.weights) groups.push_back(w.stored);
  const std::vector<WeightsFile> files = weights_files(groups, most);
  for (const WeightsFile& file : files) {
    std::string header = safetensors_header(file.tensors, {{"format", "pt"}});
    const std::uint64_t bytes = header.size() + file.bytes();
    plan.shards.push_back({file.name, std::move(header), file.first, file.end, bytes});
    plan.bytes += bytes;
  }
  plan.index = weights_index(files);
}

// Products that stay plain, which other programs would take for quantized ones.
void write_ignored(JsonWriter& json, const FolderPlan& plan) {
  json.begin_array().string("lm_head");
  for (const FolderWeight& w : plan.weights)
    if (!w.quantized && is_layer_matrix(w.source)) json.string(module_of(w.source.name));
  json.end_array();
}

void write_weights_of_group(JsonWriter& json, FolderType type) {
  const bool fp8 = type == FolderType::fp8;
  json.key("weights").begin_object().key("num_bits").integer(fp8 ? 8 : 4);
  json.key("type").string(fp8 ? "float" : "int").key("symmetric").boolean(true);
  json.key("strategy").string(fp8 ? "channel" : "group").key("group_size");
  fp8 ? json.null() : json.integer(kFolderBlock);
  json.key("dynamic").boolean(false).end_object();
}

void write_quantization(JsonWriter& json, const FolderPlan& plan) {
  json.begin_object();
  if (plan.type == FolderType::fp8_block) {
    json.key("quant_method").string("fp8").key("fmt").string("e4m3");
    json.key("activation_scheme").string("dynamic").key("weight_block_size").begin_array();
    json.integer(kFolderBlock).integer(kFolderBlock).end_array().key("modules_to_not_convert");
    write_ignored(json, plan);
    json.end_object();
    return;
  }
  const bool fp8 = plan.type == FolderType::fp8;
  json.key("quant_method").string("compressed-tensors");
  json.key("format").string(fp8 ? "float-quantized" : "pack-quantized");
  json.key("quantization_status").string("compressed").key("config_groups").begin_object();
  json.key("group_0").begin_object().key("targets").begin_array().string("Linear").end_array();
  write_weights_of_group(json, plan.type);
  json.key("input_activations");
  if (fp8) {
    json.begin_object().key("num_bits").integer(8).key("type").string("float");
    json.key("symmetric").boolean(true).key("strategy").string("token");
    json.key("dynamic").boolean(true).end_object();
  } else {
    json.null();
  }
  json.key("output_activations").null().end_object().end_object().key("ignore");
  write_ignored(json, plan);
  json.end_object();
}

std::string torch_name(DType dtype) {
  return dtype == DType::f32 ? "float32" : dtype == DType::f16 ? "float16" : "bfloat16";
}

std::string config_of(const ModelFiles& files, const FolderPlan& plan) {
  const std::optional<DType> plain = plain_type(plan.type);
  JsonWriter json;
  json.begin_object();
  for (const auto& [key, value] : files.config().object("config.json")) {
    if (key == "quantization_config") continue;
    json.key(key);
    if (plain && (key == "torch_dtype" || key == "dtype"))
      json.string(torch_name(*plain));
    else
      json.exact(value);
  }
  if (!plain) write_quantization(json.key("quantization_config"), plan);
  return json.end_object().text() + "\n";
}

}  // namespace

std::vector<std::string> folder_type_names() {
  std::vector<std::string> names;
  for (const Named& n : kTypes) names.emplace_back(n.name);
  return names;
}

std::optional<FolderType> folder_type(std::string_view name) {
  for (const Named& n : kTypes)
    if (n.name == name) return n.type;
  return std::nullopt;
}

FolderPlan plan_folder(const ModelFiles& files, const FolderChoice& choice) {
  need_tensors(files, read_decoder_config(files).layers);
  FolderPlan plan;
  plan.type = choice.type;
  for (const NamedTensor& t : files.tensors()) {
    need_weight(t);
    plan.weights.push_back(planned(t, files, choice));
  }
  const auto any = [&](bool FolderWeight::*is) {
    return std::any_of(plan.weights.begin(), plan.weights.end(),
                       [&](const FolderWeight& w) { return w.*is; });
  };
  if (any(&FolderWeight::fell_back) && !any(&FolderWeight::quantized))
    fail(ErrorKind::usage, "no matrix of {} has rows of whole groups of {}, which 4 bits want",
         escaped(files.path().string()), kFolderBlock);
  lay_out(plan, choice.shard_bytes);
  plan.config = config_of(files, plan);
  plan.copied = small_files(files.path());
  return plan;
}

}  // namespace r1
