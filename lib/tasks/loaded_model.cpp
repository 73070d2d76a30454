#include "lib/tasks/loaded_model.h"

#include <algorithm>
#include <array>

#include "lib/base/error.h"
#include "lib/models/decoder_config.h"
#include "lib/tasks/memory_plan.h"
#include "lib/text/chat_template.h"

namespace r1 {
namespace {

// The type that holds most of the weights' bytes.
DType main_type(const ModelFiles& files) {
  std::array<std::size_t, 16> bytes{};
  for (const NamedTensor& t : files.tensors())
    bytes[static_cast<std::size_t>(t.tensor.dtype)] += t.tensor.bytes();
  return static_cast<DType>(std::max_element(bytes.begin(), bytes.end()) - bytes.begin());
}

DType compute_type_of(const std::string& dtype, DType weights) {
  if (dtype == "f32") return DType::f32;
  if (dtype == "bf16") return DType::bf16;
  if (dtype != "auto")
    fail(ErrorKind::usage, "nothing is computed in {} (auto, f32, bf16)", escaped(dtype));
  return weights == DType::f32 ? DType::f32 : DType::bf16;
}

DType cache_type_of(const Backend& backend, const ModelFiles& files, const std::string& kv_type,
                    DType compute) {
  if (kv_type == "auto") return compute == DType::bf16 ? backend.sixteen_bit_type() : compute;
  for (const DType type : {DType::f32, DType::f16, DType::bf16, DType::q8_0}) {
    if (kv_type != to_string(type)) continue;
    const std::int64_t width = read_decoder_config(files).attention.head_dim;
    if (width % block_elements(type) != 0)
      fail(ErrorKind::usage, "{}: heads of {} are not whole blocks of {}, as a cache of {} wants",
           escaped(files.path().string()), width, block_elements(type), kv_type);
    return type;
  }
  fail(ErrorKind::usage, "no cache holds {} (auto, f32, f16, bf16, q8_0)", escaped(kv_type));
}

// "eos_token_id" is a number or a list.
std::vector<TokenId> eos_ids(const Json& generation, std::int64_t vocab) {
  const std::string where = "generation_config.json: eos_token_id";
  const Json* value = generation.find("eos_token_id");
  std::vector<TokenId> ids;
  if (value == nullptr || value->is_null()) return ids;
  const auto add = [&](const Json& id) {
    const std::int64_t n = id.integer(where);
    if (n < 0 || n >= vocab)
      fail(ErrorKind::model, "{} is {}, and there are {} tokens", where, n, vocab);
    ids.push_back(static_cast<TokenId>(n));
  };
  if (!value->is_array()) {
    add(*value);
  } else {
    for (const Json& id : value->array(where)) add(id);
  }
  return ids;
}

constexpr double kMostSampling = 1e6;  // of temperature, top_k and the like

Json generation_config(const ModelFiles& files) {
  return files.is_gguf() ? Json() : files.side_file("generation_config.json");
}

}  // namespace

MakersSampling makers_sampling(const ModelFiles& files) {
  const std::string where = "generation_config.json";
  const Json generation = generation_config(files);
  if (const Json* sample = generation.find("do_sample");
      sample != nullptr && !sample->is_null() && !sample->boolean(where))
    return {};
  const auto number = [&](std::string_view key) -> std::optional<float> {
    const Json* value = generation.find(key);
    if (value == nullptr || value->is_null()) return std::nullopt;
    const double n = value->number(fmt::format("{}: {}", where, key));
    if (!(n >= 0 && n <= kMostSampling))
      fail(ErrorKind::model, "{}: {} is {}, not a number from 0 to {}", where, key, n,
           kMostSampling);
    return static_cast<float>(n);
  };
  MakersSampling m{number("temperature"), number("top_p"), number("min_p"), {}};
  if (const auto k = number("top_k")) m.top_k = static_cast<std::int64_t>(*k);
  return m;
}

DType cache_type(const Backend& backend, const ModelFiles& files, const std::string& kv_type,
                 const std::string& dtype) {
  return cache_type_of(backend, files, kv_type, compute_type_of(dtype, main_type(files)));
}

LoadedModel load_model_with_text(Backend& backend, const std::string& name,
                                 const std::filesystem::path& path,
                                 const ModelLoadOptions& options) {
  LoadedModel m;
  m.name = name;
  m.files = std::make_unique<ModelFiles>(ModelFiles::open(path, options.use_mmap));
  const DType weights = main_type(*m.files);
  m.compute = compute_type_of(options.dtype, weights);
  m.kv_dtype = cache_type_of(backend, *m.files, options.kv_type, m.compute);
  m.quant = to_string(weights);
  const MemoryLimit limit = memory_limit(backend, options.max_memory, options.gpu_memory);
  if (limit.bytes > 0)
    m.cache_pages = plan_memory(*m.files,
                                {m.kv_dtype, options.batch_size, backend.device(),
                                 Adapter::bytes_of(options.adapter)},
                                limit)
                        .pages;
  m.tokenizer = load_tokenizer(*m.files, options.data_dir);
  m.params = std::make_unique<Params>(backend, *m.files, LoadOptions{.compute = m.compute});
  m.network = load_network(*m.files, *m.params);
  if (!options.adapter.empty())
    m.adapter = Adapter::read(backend, *m.params, *m.files, options.adapter);
  const std::int64_t vocab = m.network->shape().vocab;
  if (m.tokenizer->size() > vocab)
    fail(ErrorKind::model, "{}: the tokenizer has {} tokens, and the embedding {} rows",
         escaped(path.string()), m.tokenizer->size(), vocab);
  m.fim = FimForm::find(*m.tokenizer);
  m.chat_template = m.adapter && !m.adapter->chat_template().empty() ? m.adapter->chat_template()
                                                                     : read_chat_template(*m.files);
  m.sampling = makers_sampling(*m.files);
  m.stop_tokens = stop_tokens(*m.tokenizer, eos_ids(generation_config(*m.files), vocab));
  for (TokenId id = 0; id < m.tokenizer->size(); ++id) {
    const std::string_view bytes = m.tokenizer->bytes(id);
    m.newline.push_back(bytes.find('\n') != std::string_view::npos);
    m.longest_token = std::max(m.longest_token, bytes.size());
  }
  return m;
}

}  // namespace r1
