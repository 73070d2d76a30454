#include "lib/models/adapter.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fnmatch.h>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/output.h"
#include "lib/base/paths.h"
#include "lib/base/random.h"
#include "lib/base/sha256.h"
#include "lib/base/write_file.h"
#include "lib/models/decoder_config.h"
#include "lib/models/gguf_export.h"
#include "lib/models/tensor_names.h"
#include "lib/tensor/quant_block.h"
#include "lib/text/chat_template.h"

namespace r1 {
namespace {

constexpr std::string_view kMatrix = ".weight";

std::string last_part(const std::string& module) { return module.substr(module.rfind('.') + 1); }

constexpr const char *kA = "lora_A.weight", *kB = "lora_B.weight";
constexpr const char* kMagnitude = "lora_magnitude_vector";
// Of a GGUF file.
constexpr const char *kGgufA = ".lora_a", *kGgufB = ".lora_b";
constexpr const char *kAdapter = "adapter", *kLora = "lora", *kAlpha = "adapter.lora.alpha";

std::string name_of(const std::string& module, const char* part) {
  return fmt::format("base_model.model.{}.{}", module, part);
}

double scale_of(const AdapterChoice& c, std::int64_t rank) {
  const auto r = static_cast<double>(rank);
  return c.alpha / (c.rank_stabilized ? std::sqrt(r) : r);
}

// N rows as a GGUF file has them, of heads in pairs; with `back` as a folder has them.
std::vector<float> in_pairs(const std::vector<float>& rows, std::int64_t N, std::int64_t head_dim,
                            bool back) {
  std::vector<float> out(rows.size());
  const auto width = static_cast<std::int64_t>(rows.size()) / N;
  for (std::int64_t n = 0; n < N; ++n) {
    const std::int64_t there = row_in_folder(n, head_dim);
    std::copy_n(rows.begin() + (back ? n : there) * width, width,
                out.begin() + (back ? there : n) * width);
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
  for (const char* key : {"fan_in_fan_out", "lora_bias", "use_qalora", "use_bdlora"})
    if (given(key) != nullptr && given(key)->boolean(where)) refuse(key);
  for (const char* key : {"rank_pattern", "alpha_pattern"})
    if (given(key) != nullptr && !given(key)->object(where).empty()) refuse(key);
  // Initializations that change the base, which then is another than the one we have.
  if (const Json* begin = given("init_lora_weights"); begin != nullptr && begin->is_string()) {
    const std::string& name = begin->string(where + ": init_lora_weights");
    for (const char* changing : {"pissa", "olora", "corda", "loftq", "lora_ga"})
      if (name.starts_with(changing)) refuse("init_lora_weights " + escaped(name));
  }
  for (const char* key : {"modules_to_save", "layer_replication", "alora_invocation_tokens"})
    if (given(key) != nullptr) refuse(key);
  c.rank = config.at("r", where).integer(where + ": r");
  c.alpha = config.at("lora_alpha", where).number(where + ": lora_alpha");
  if (const Json* stable = given("use_rslora"); stable != nullptr)
    c.rank_stabilized = stable->boolean(where + ": use_rslora");
  if (const Json* dora = given("use_dora"); dora != nullptr)
    c.dora = dora->boolean(where + ": use_dora");
  if (c.rank < 1 || c.rank > 65536 || !std::isfinite(c.alpha))
    fail(ErrorKind::model, "{}: rank {} and alpha {} make no adapter", where, c.rank, c.alpha);
  return c;
}

std::string config_text(const AdapterChoice& c, const std::set<std::string>& modules,
                        const std::string& base) {
  JsonWriter w;
  w.begin_object().key("peft_type").string("LORA").key("task_type").string("CAUSAL_LM");
  w.key("base_model_name_or_path").string(base).key("r").integer(c.rank);
  w.key("lora_alpha")
      .number(c.alpha)
      .key("lora_dropout")
      .number(c.dropout)
      .key("bias")
      .string("none");
  w.key("use_rslora").boolean(c.rank_stabilized).key("use_dora").boolean(c.dora);
  w.key("fan_in_fan_out").boolean(false).key("inference_mode").boolean(true);
  w.key("modules_to_save").null().key("target_modules").begin_array();
  for (const std::string& module : modules) w.string(module);
  return w.end_array().end_object().text() + "\n";
}

// The GGUF file that `path` is or, as a folder without peft's, holds; empty: none.
std::filesystem::path gguf_file(const std::filesystem::path& path) {
  std::error_code none;
  if (std::filesystem::is_regular_file(path, none)) return path;
  if (!is_there(path)) fail(ErrorKind::not_found, "there is no adapter {}", escaped(path.string()));
  if (is_there(path / "config.json") && !is_there(path / Adapter::kConfig))
    fail(ErrorKind::model, "{} is a model, not an adapter; -m takes it", escaped(path.string()));
  const bool alone = is_there(path / Adapter::kFile) && !is_there(path / Adapter::kConfig);
  return alone ? path / Adapter::kFile : std::filesystem::path();
}

}  // namespace

// The tensors of a file of weights, each taken once.
class Adapter::Tensors {
 public:
  Tensors(const std::vector<NamedTensor>& all, const std::string& where) : where_(where) {
    for (const NamedTensor& t : all) by_name_[t.name] = &t.tensor;
  }
  const Tensor* find(const std::string& name) const {
    const auto at = by_name_.find(name);
    return at == by_name_.end() ? nullptr : at->second;
  }
  const Tensor& want(const std::string& name, const Shape& shape) const {
    const Tensor* t = find(name);
    if (t == nullptr) fail(ErrorKind::model, "{} has no {}", where_, name);
    if (t->shape != shape || is_integer(t->dtype) || is_float8(t->dtype))
      fail(ErrorKind::model, "{}: {} is {} of {}, and the model wants {}", where_, name,
           to_string(t->shape), to_string(t->dtype), to_string(shape));
    return *t;
  }
  std::vector<float> take(const std::string& name, const Shape& shape) {
    const Tensor& t = want(name, shape);
    std::vector<float> values(static_cast<std::size_t>(shape.elements()));
    unpack(values, t.data, t.dtype);
    by_name_.erase(name);
    return values;
  }
  void done() const {
    if (!by_name_.empty())
      fail(ErrorKind::model, "{}: the model has no place for {}", where_,
           escaped(by_name_.begin()->first));
  }

 private:
  std::string where_;
  std::map<std::string, const Tensor*> by_name_;
};

std::vector<Adapter::Target> Adapter::targets_of(const Params& base, const ModelFiles& files) {
  const DecoderConfig config = read_decoder_config(files);
  const bool in_pairs = gguf_interleaves(config.architecture);
  std::map<std::string, Target> by_name;  // the base's own
  for (const TensorName& name : tensor_names(config.layers)) {
    if (!name.hugging_face.ends_with("_proj.weight")) continue;
    const std::string& own = files.is_gguf() ? name.gguf : name.hugging_face;
    Target& t = by_name[own];
    t.name = own;
    t.module = name.hugging_face.substr(0, name.hugging_face.size() - kMatrix.size());
    t.gguf = name.gguf;
    if (in_pairs && (t.module.ends_with("q_proj") || t.module.ends_with("k_proj")))
      t.head_dim = config.attention.head_dim;
  }
  std::vector<Target> targets;
  for (const auto& [name, weight] : base.taken()) {
    const auto found = by_name.find(name);
    if (found == by_name.end()) continue;
    targets.push_back(found->second);
    targets.back().weight = weight.value;
  }
  return targets;
}

Tensor Adapter::room(const Shape& shape) {
  Tensor t{nullptr, shape, DType::f32, backend_->device()};
  t.data = memory_.emplace_back(*backend_, t.bytes()).data();
  backend_->zero(t);
  return t;
}

Var Adapter::make(const std::string& name, const Shape& shape, bool trainable) {
  const Var var{room(shape), trainable ? room(shape) : Tensor{}};
  weights_.emplace_back(name, var);
  return var;
}

LowRank& Adapter::add(const Target& t, const Params& base, std::int64_t rank, bool trainable) {
  const std::int64_t N = t.weight.rows(), K = t.weight.cols();
  LowRank& pair = matrices_[t.weight.data];
  pair.number = pairs_.size();
  pair.a = make(name_of(t.module, kA), {rank, K}, trainable);
  pair.b = make(name_of(t.module, kB), {N, rank}, trainable);
  pair.scale = static_cast<float>(scale_of(choice_, rank));
  pairs_.push_back({t, &pair});
  if (!choice_.dora) return pair;
  pair.magnitude = make(name_of(t.module, kMagnitude), {N}, trainable);
  pair.squares = room({N});
  backend_->copy_from_host(pair.squares, base.row_squares(t.name).data());
  return pair;
}

// As they are now.
Tensor Adapter::norms_of(const LowRank& pair, const Tensor& weight) {
  Arena arena(*backend_);
  Graph g(*backend_, arena);
  const Tensor norms = room(pair.magnitude.value.shape);
  backend_->copy(norms, g.row_norms({weight, {}}, pair));
  return norms;
}

Adapter Adapter::fresh(Backend& backend, const Params& base, const ModelFiles& files,
                       const AdapterChoice& choice) {
  Adapter adapter(backend, files);
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
    const LowRank& pair = adapter.add(t, base, choice.rank, true);
    if (choice.dora) backend.copy(pair.magnitude.value, adapter.norms_of(pair, t.weight));
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
                      const std::filesystem::path& path, bool trainable) {
  Adapter adapter(backend, files);
  if (const std::filesystem::path file = gguf_file(path); !file.empty())
    adapter.read_gguf(base, files, file, trainable);
  else
    adapter.read_folder(base, files, path, trainable);
  return adapter;
}

AdapterChoice Adapter::choice_of(const std::filesystem::path& folder) {
  const std::string config = (folder / kConfig).string();
  return read_config(parse_json(read_file(config), config), escaped(config));
}

std::uint64_t Adapter::bytes_of(const std::filesystem::path& path) {
  if (path.empty()) return 0;
  const std::filesystem::path gguf = gguf_file(path);
  const std::filesystem::path& weights = gguf.empty() ? path / kWeights : gguf;
  const MappedFile file(weights);
  const std::vector<NamedTensor> tensors =
      gguf.empty() ? parse_safetensors(file.bytes(), weights.string()).tensors
                   : GgufFile::parse(file.bytes(), weights.string()).tensors();
  std::uint64_t bytes = 0;
  for (const NamedTensor& t : tensors)
    bytes += sizeof(float) * static_cast<std::uint64_t>(t.tensor.shape.elements());
  return bytes;
}

std::string Adapter::digest_of(const std::filesystem::path& path) {
  if (const std::filesystem::path file = gguf_file(path); !file.empty())
    return sha256_hex(MappedFile(file));
  std::string all =
      sha256_hex(MappedFile(path / kConfig)) + sha256_hex(MappedFile(path / kWeights));
  if (is_there(path / kChatTemplateFile)) all += sha256_hex(MappedFile(path / kChatTemplateFile));
  return sha256_hex(as_bytes(all));
}

void Adapter::fill(const Tensor& part, const std::vector<float>& values, std::int64_t head_dim,
                   RowOrder from) {
  const std::int64_t turned = from == rows_ ? 0 : head_dim;
  const std::vector<float> rows = in_pairs(values, part.shape[0], turned, from == RowOrder::gguf);
  backend_->copy_from_host(part, rows.data());
}

std::vector<float> Adapter::values_of(const Tensor& part, std::int64_t head_dim,
                                      RowOrder to) const {
  std::vector<float> host(static_cast<std::size_t>(part.shape.elements()));
  backend_->copy_to_host(host.data(), part);
  return in_pairs(host, part.shape[0], to == rows_ ? 0 : head_dim, to == RowOrder::folder);
}

void Adapter::read_folder(const Params& base, const ModelFiles& files,
                          const std::filesystem::path& path, bool trainable) {
  const std::filesystem::path weights = path / kWeights;
  choice_ = choice_of(path);
  const MappedFile file(weights);
  if (is_there(path / kChatTemplateFile))
    chat_template_ = read_file(path / kChatTemplateFile, 1 << 20);
  const SafetensorsFile found = parse_safetensors(file.bytes(), weights.string());
  Tensors tensors(found.tensors, escaped(weights.string()));
  for (const Target& t : targets_of(base, files)) {
    const auto part = [&](const char* name) { return name_of(t.module, name); };
    if (tensors.find(part(kA)) == nullptr && tensors.find(part(kB)) == nullptr) continue;
    tensors.want(part(kA), {choice_.rank, t.weight.cols()});  // before there is room for it
    LowRank& pair = add(t, base, choice_.rank, trainable);
    const auto take = [&](const char* name, const Tensor& to, std::int64_t head_dim) {
      fill(to, tensors.take(part(name), to.shape), head_dim, RowOrder::folder);
    };
    take(kA, pair.a.value, 0);
    take(kB, pair.b.value, t.head_dim);
    if (!choice_.dora) continue;
    take(kMagnitude, pair.magnitude.value, t.head_dim);
    if (!trainable) pair.norms = norms_of(pair, t.weight);
  }
  tensors.done();
}

void Adapter::read_gguf(const Params& base, const ModelFiles& files,
                        const std::filesystem::path& path, bool trainable) {
  const MappedFile file(path);
  const std::string where = escaped(path.string());
  const GgufFile gguf = GgufFile::parse(file.bytes(), path.string());
  const std::string type(gguf.string("adapter.type").value_or("none"));
  if (gguf.string("general.type") != kAdapter || type != kLora)
    fail(ErrorKind::model, "{} is no adapter of LoRA, but of adapter.type {}", where,
         escaped(type));
  const std::string of(gguf.string("general.architecture").value_or("none"));
  const std::string architecture(read_decoder_config(files).architecture);
  if (of != architecture)
    fail(ErrorKind::model, "{} is of architecture {}, and the model is {}", where, escaped(of),
         architecture);
  chat_template_ = gguf.string(kChatTemplateKey).value_or("");
  const double alpha = gguf.number(kAlpha).value_or(0);
  if (!std::isfinite(alpha)) fail(ErrorKind::model, "{}: {} is {}", where, kAlpha, alpha);
  Tensors tensors(gguf.tensors(), where);
  for (const Target& t : targets_of(base, files)) {
    const std::string name_a = t.gguf + kGgufA, name_b = t.gguf + kGgufB;
    const Tensor* a = tensors.find(name_a);
    if (a == nullptr && tensors.find(name_b) == nullptr) continue;
    const bool fits = a != nullptr && a->shape.rank() == 2 && a->shape[1] == t.weight.cols();
    const std::int64_t rank = fits ? a->shape[0] : 1;  // else `take` says what is there
    choice_.alpha = alpha == 0 ? static_cast<double>(rank) : alpha;  // 0: nothing is scaled
    LowRank& pair = add(t, base, rank, trainable);
    fill(pair.a.value, tensors.take(name_a, pair.a.value.shape), 0, RowOrder::gguf);
    fill(pair.b.value, tensors.take(name_b, pair.b.value.shape), t.head_dim, RowOrder::gguf);
  }
  tensors.done();
}

void Adapter::write(const std::filesystem::path& folder, const std::string& base) const {
  std::vector<std::vector<float>> values;
  std::vector<NamedTensor> tensors;
  std::set<std::string> modules;
  for (const Pair& p : pairs_) {
    const auto keep = [&](const char* part, const Tensor& t, std::int64_t head_dim) {
      values.push_back(values_of(t, head_dim, RowOrder::folder));
      tensors.push_back(
          {name_of(p.target.module, part), {values.back().data(), t.shape, DType::f32}});
    };
    modules.insert(last_part(p.target.module));
    keep(kA, p.matrices->a.value, 0);
    keep(kB, p.matrices->b.value, p.target.head_dim);
    if (choice_.dora) keep(kMagnitude, p.matrices->magnitude.value, p.target.head_dim);
  }
  write_file(folder / kConfig, config_text(choice_, modules, base));
  if (!chat_template_.empty()) write_file(folder / kChatTemplateFile, chat_template_);
  const auto weights = open_file(folder / kWeights);
  write_safetensors(*weights, tensors, {{"format", "pt"}});
  weights->close();
}

// llama.cpp scales by alpha / rank alone.
void Adapter::write_gguf(const std::filesystem::path& path, const ModelFiles& files) const {
  if (choice_.dora) fail(ErrorKind::usage, "a GGUF adapter has no place for what DoRA learns");
  const double alpha = scale_of(choice_, choice_.rank) * static_cast<double>(choice_.rank);
  GgufMetadata metadata = {
      {"general.architecture", std::string(read_decoder_config(files).architecture)},
      {"general.type", std::string(kAdapter)},
      {"adapter.type", std::string(kLora)},
      {kAlpha, static_cast<float>(alpha)}};
  if (!chat_template_.empty()) metadata.emplace_back(kChatTemplateKey, chat_template_);
  std::vector<std::vector<float>> values;
  std::vector<NamedTensor> tensors;
  for (const Pair& p : pairs_) {
    const auto keep = [&](const std::string& name, const Tensor& t, std::int64_t head_dim) {
      values.push_back(values_of(t, head_dim, RowOrder::gguf));
      tensors.push_back({name, {values.back().data(), t.shape, DType::f32}});
    };
    keep(p.target.gguf + kGgufA, p.matrices->a.value, 0);
    keep(p.target.gguf + kGgufB, p.matrices->b.value, p.target.head_dim);
  }
  const auto out = open_file(path);
  r1::write_gguf(*out, metadata, tensors);
  out->close();
}

}  // namespace r1
