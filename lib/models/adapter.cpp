#include "lib/models/adapter.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fnmatch.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/output.h"
#include "lib/base/random.h"
#include "lib/base/sha256.h"
#include "lib/models/decoder_config.h"
#include "lib/models/gguf_export.h"
#include "lib/models/tensor_names.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kWeights = "adapter_model.safetensors";
constexpr std::string_view kMatrix = ".weight";

// A matrix of the base that a pair can stand beside.
struct Target {
  std::string module;
  Tensor weight;
  std::int64_t head_dim = 0;  // as Adapter::Pair
};

std::vector<Target> targets_of(const Params& base, const ModelFiles& files) {
  const DecoderConfig config = read_decoder_config(files);
  std::map<std::string, std::string> module_of;  // by the base's own name
  for (const TensorName& name : tensor_names(config.layers)) {
    std::string_view module = name.hugging_face;
    if (!module.ends_with("_proj.weight")) continue;
    module.remove_suffix(kMatrix.size());
    module_of[files.is_gguf() ? name.gguf : name.hugging_face] = module;
  }
  const bool in_pairs = files.is_gguf() && gguf_interleaves(config.architecture);
  std::vector<Target> targets;
  for (const auto& [name, weight] : base.taken()) {
    const auto found = module_of.find(name);
    if (found == module_of.end()) continue;
    const std::string& module = found->second;
    const bool turned = module.ends_with("q_proj") || module.ends_with("k_proj");
    targets.push_back({module, weight.value, in_pairs && turned ? config.attention.head_dim : 0});
  }
  return targets;
}

std::string last_part(const std::string& module) { return module.substr(module.rfind('.') + 1); }

std::string name_of(const std::string& module, const char* matrix) {
  return fmt::format("base_model.model.{}.{}.weight", module, matrix);
}

float scale_of(const AdapterChoice& c) {
  const auto rank = static_cast<double>(c.rank);
  return static_cast<float>(c.alpha / (c.rank_stabilized ? std::sqrt(rank) : rank));
}

// Rows [N, r] as a GGUF file has them, of heads in pairs; with `back` as a folder has them.
std::vector<float> in_pairs(const std::vector<float>& rows, std::int64_t rank,
                            std::int64_t head_dim, bool back) {
  std::vector<float> out(rows.size());
  const auto N = static_cast<std::int64_t>(rows.size()) / rank;
  for (std::int64_t n = 0; n < N; ++n) {
    const std::int64_t there = row_in_folder(n, head_dim);
    std::copy_n(rows.begin() + (back ? n : there) * rank, rank,
                out.begin() + (back ? there : n) * rank);
  }
  return out;
}

// What peft says of an adapter, as far as it is one that we can be.
AdapterChoice read_config(const Json& config, const std::string& where) {
  AdapterChoice c;
  const auto refuse = [&](const std::string& what) {
    fail(ErrorKind::model, "{}: {} is not supported", where, what);
  };
  const std::string& type = config.at("peft_type", where).string(where + ": peft_type");
  if (type != "LORA") refuse(escaped(type));
  // Nothing where it is absent or null.
  const auto given = [&](const char* key) -> const Json* {
    const Json* value = config.find(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  };
  for (const char* key : {"use_dora", "fan_in_fan_out"})
    if (given(key) != nullptr && given(key)->boolean(where)) refuse(key);
  for (const char* key : {"rank_pattern", "alpha_pattern"})
    if (given(key) != nullptr && !given(key)->object(where).empty()) refuse(key);
  if (given("modules_to_save") != nullptr) refuse("modules_to_save");
  c.rank = config.at("r", where).integer(where + ": r");
  c.alpha = config.at("lora_alpha", where).number(where + ": lora_alpha");
  if (const Json* stable = given("use_rslora"); stable != nullptr)
    c.rank_stabilized = stable->boolean(where + ": use_rslora");
  if (c.rank < 1 || c.rank > 65536 || !std::isfinite(c.alpha))
    fail(ErrorKind::model, "{}: rank {} and alpha {} make no adapter", where, c.rank, c.alpha);
  return c;
}

std::string config_text(const AdapterChoice& c, const std::set<std::string>& modules,
                        const std::string& base) {
  JsonWriter w;
  w.begin_object().key("peft_type").string("LORA").key("task_type").string("CAUSAL_LM");
  w.key("base_model_name_or_path").string(base).key("r").integer(c.rank);
  w.key("lora_alpha").number(c.alpha).key("lora_dropout").number(0).key("bias").string("none");
  w.key("use_rslora").boolean(c.rank_stabilized).key("use_dora").boolean(false);
  w.key("fan_in_fan_out").boolean(false).key("inference_mode").boolean(true);
  w.key("modules_to_save").null().key("target_modules").begin_array();
  for (const std::string& module : modules) w.string(module);
  return w.end_array().end_object().text() + "\n";
}

}  // namespace

Var Adapter::make(const std::string& name, const Shape& shape, bool trainable) {
  const auto room = [&] {
    Tensor t{nullptr, shape, DType::f32, backend_->device()};
    t.data = memory_.emplace_back(*backend_, t.bytes()).data();
    backend_->zero(t);
    return t;
  };
  const Var var{room(), trainable ? room() : Tensor{}};
  weights_.emplace_back(name, var);
  return var;
}

LowRank& Adapter::add(const std::string& module, const Tensor& weight, std::int64_t rank,
                      bool trainable) {
  const std::int64_t N = weight.rows(), K = weight.cols();
  return matrices_[weight.data] = {make(name_of(module, "lora_A"), {rank, K}, trainable),
                                   make(name_of(module, "lora_B"), {N, rank}, trainable),
                                   scale_of(choice_)};
}

Adapter Adapter::fresh(Backend& backend, const Params& base, const ModelFiles& files,
                       const AdapterChoice& choice) {
  Adapter adapter(backend);
  adapter.choice_ = choice;
  std::set<std::string> unused(choice.modules.begin(), choice.modules.end());
  std::uint64_t stream = 0;
  for (const Target& t : targets_of(base, files)) {
    bool wanted = choice.modules.empty();
    for (const std::string& glob : choice.modules)
      if (::fnmatch(glob.c_str(), last_part(t.module).c_str(), 0) == 0) {
        wanted = true;
        unused.erase(glob);
      }
    if (!wanted) continue;
    LowRank& pair = adapter.add(t.module, t.weight, choice.rank, true);
    adapter.pairs_.push_back({t.module, t.head_dim, &pair});
    std::vector<float> values(static_cast<std::size_t>(pair.a.value.shape.elements()));
    const double most = 1 / std::sqrt(static_cast<double>(t.weight.cols()));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(most * (2 * random_uniform(choice.seed, stream, i) - 1));
    backend.copy_from_host(pair.a.value, values.data());
    ++stream;
  }
  if (!unused.empty() || adapter.pairs_.empty())
    fail(ErrorKind::usage, "no module of {} is called {}", escaped(files.path().string()),
         unused.empty() ? "…_proj" : escaped(*unused.begin()));
  return adapter;
}

Adapter Adapter::read(Backend& backend, const Params& base, const ModelFiles& files,
                      const std::filesystem::path& folder) {
  const std::filesystem::path config = folder / kConfig, weights = folder / kWeights;
  Adapter adapter(backend);
  adapter.choice_ =
      read_config(parse_json(read_file(config), config.string()), escaped(config.string()));
  const MappedFile file(weights);
  adapter.digest_ = sha256_hex(file);
  const std::string where = escaped(weights.string());
  const SafetensorsFile found = parse_safetensors(file.bytes(), weights.string());
  std::map<std::string_view, const Tensor*> by_name;
  for (const NamedTensor& t : found.tensors) by_name[t.name] = &t.tensor;
  const auto take = [&](const std::string& name, const Shape& shape) {
    const auto at = by_name.find(name);
    if (at == by_name.end()) fail(ErrorKind::model, "{} has no {}", where, name);
    const Tensor& t = *at->second;
    if (t.shape != shape || is_integer(t.dtype) || is_float8(t.dtype))
      fail(ErrorKind::model, "{}: {} is {} of {}, and the model wants {}", where, name,
           to_string(t.shape), to_string(t.dtype), to_string(shape));
    std::vector<float> values(static_cast<std::size_t>(shape.elements()));
    unpack(values, t.data, t.dtype);
    by_name.erase(at);
    return values;
  };
  const std::int64_t rank = adapter.choice_.rank;
  for (const Target& t : targets_of(base, files)) {
    const std::string a = name_of(t.module, "lora_A"), b = name_of(t.module, "lora_B");
    if (!by_name.contains(a) && !by_name.contains(b)) continue;
    LowRank& pair = adapter.add(t.module, t.weight, rank, false);
    adapter.pairs_.push_back({t.module, t.head_dim, &pair});
    backend.copy_from_host(pair.a.value, take(a, pair.a.value.shape).data());
    backend.copy_from_host(pair.b.value,
                           in_pairs(take(b, pair.b.value.shape), rank, t.head_dim, false).data());
  }
  if (!by_name.empty())
    fail(ErrorKind::model, "{}: the model has no place for {}", where,
         escaped(by_name.begin()->first));
  return adapter;
}

void Adapter::write(const std::filesystem::path& folder, const std::string& base) const {
  std::vector<std::vector<float>> values;
  std::vector<NamedTensor> tensors;
  std::set<std::string> modules;
  const auto keep = [&](const std::string& name, const Tensor& t, std::int64_t head_dim) {
    std::vector<float> host(static_cast<std::size_t>(t.shape.elements()));
    backend_->copy_to_host(host.data(), t);
    values.push_back(in_pairs(host, choice_.rank, head_dim, true));
    tensors.push_back({name, {values.back().data(), t.shape, DType::f32}});
  };
  for (const Pair& pair : pairs_) {
    modules.insert(last_part(pair.module));
    keep(name_of(pair.module, "lora_A"), pair.matrices->a.value, 0);
    keep(name_of(pair.module, "lora_B"), pair.matrices->b.value, pair.head_dim);
  }
  const auto config = open_file(folder / kConfig);
  config->write(config_text(choice_, modules, base));
  config->close();
  const auto weights = open_file(folder / kWeights);
  write_safetensors(*weights, tensors, {{"format", "pt"}});
  weights->close();
}

}  // namespace r1
