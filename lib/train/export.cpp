#include "lib/train/export.h"

#include <algorithm>
#include <cmath>

#include "lib/base/distribution.h"
#include "lib/base/error.h"
#include "lib/base/output.h"
#include "lib/base/write_file.h"
#include "lib/io/small_files.h"
#include "lib/models/gguf_export.h"
#include "lib/tensor/quant_block.h"
#include "lib/text/chat_template.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr const char *kConfig = "config.json", *kTokenizerConfig = "tokenizer_config.json";

std::vector<float> on_host(Backend& backend, const Tensor& t) {
  std::vector<std::byte> stored(t.bytes());
  std::vector<float> values(static_cast<std::size_t>(t.shape.elements()));
  backend.copy_to_host(stored.data(), t);
  unpack(values, stored.data(), t.dtype);
  return values;
}

// values [N, K] += scale b a; then the lengths of the rows.
void merge(std::vector<float>& values, const LowRank& pair, Backend& backend) {
  const std::vector<float> a = on_host(backend, pair.a.value), b = on_host(backend, pair.b.value);
  const auto rank = static_cast<std::size_t>(pair.a.value.shape[0]);
  const auto K = static_cast<std::size_t>(pair.a.value.shape[1]);
  const std::size_t N = values.size() / K;
  const bool scaled = !pair.magnitude.value.empty();
  const std::vector<float> lengths =
      scaled ? on_host(backend, pair.magnitude.value) : std::vector<float>();
  std::vector<double> row(K);
  for (std::size_t n = 0; n < N; ++n) {
    std::fill(row.begin(), row.end(), 0.0);
    for (std::size_t r = 0; r < rank; ++r)
      for (std::size_t k = 0; k < K; ++k) row[k] += double{b[n * rank + r]} * a[r * K + k];
    double squares = 0;
    for (std::size_t k = 0; k < K; ++k) {
      row[k] = values[n * K + k] + pair.scale * row[k];
      squares += row[k] * row[k];
    }
    const double factor = scaled && squares > 0 ? lengths[n] / std::sqrt(squares) : 1;
    for (std::size_t k = 0; k < K; ++k) values[n * K + k] = static_cast<float>(factor * row[k]);
  }
}

std::string without(const Json& document, std::string_view member) {
  JsonWriter w;
  w.begin_object();
  for (const auto& [key, value] : document.object("a model's description"))
    if (key != member) w.key(key).exact(value);
  return w.end_object().text() + "\n";
}

// Writes header and tensors, each made when its turn comes.
template <typename Header>
void write_tensors(const TrainedModel& model, const fs::path& path,
                   const std::vector<NamedTensor>& labels, const Header& header, bool padded) {
  const auto out = open_file(path);
  out->write(header(labels));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (model.before_tensor) model.before_tensor();
    const Tensor* source = model.base.find(labels[i].name);
    const std::vector<float> values = model.values({labels[i].name, *source});
    std::vector<std::byte> stored(labels[i].tensor.bytes());
    pack(stored.data(), values, labels[i].tensor.dtype);
    out->write(as_text(stored));
    if (padded) out->write(gguf_padding(stored.size()));
  }
  out->close();
}

}  // namespace

std::vector<float> TrainedModel::values(const NamedTensor& tensor) const {
  const auto named = [&](const auto& pair) { return pair.first == tensor.name; };
  const auto found = std::find_if(params.taken().begin(), params.taken().end(), named);
  if (adapter == nullptr && found != params.taken().end())
    return on_host(backend, found->second.value);
  base.fetch(tensor.tensor);
  std::vector<float> values(static_cast<std::size_t>(tensor.tensor.shape.elements()));
  unpack(values, tensor.tensor.data, tensor.tensor.dtype);
  base.release(tensor.tensor);
  if (adapter == nullptr || found == params.taken().end()) return values;
  const auto pair = adapter->matrices().find(found->second.value.data);
  if (pair != adapter->matrices().end()) merge(values, pair->second, backend);
  return values;
}

bool has_plain_weights(const ModelFiles& base) {
  return std::none_of(base.tensors().begin(), base.tensors().end(), [&](const NamedTensor& t) {
    return is_quantized(t.tensor.dtype) || base.was_quantized(t.tensor);
  });
}

void write_trained_folder(const TrainedModel& model, const fs::path& folder,
                          std::optional<DType> type, std::uint64_t most) {
  std::vector<std::vector<NamedTensor>> labels;
  for (const NamedTensor& t : model.base.tensors()) {
    const bool plain = !is_quantized(t.tensor.dtype) && !model.base.was_quantized(t.tensor);
    const DType own = plain ? t.tensor.dtype : DType::f32;
    labels.push_back({{t.name, {nullptr, t.tensor.shape, type.value_or(own)}}});
  }
  const auto header = [](const std::vector<NamedTensor>& all) {
    return safetensors_header(all, {{"format", "pt"}});
  };
  const std::vector<WeightsFile> files = weights_files(labels, most);
  for (const WeightsFile& file : files)
    write_tensors(model, folder / file.name, file.tensors, header, false);
  if (files.size() > 1) write_file(folder / kWeightsIndex, weights_index(files));
  copy_small_files(small_files(model.base.path()), folder);
  if (!model.chat_template.empty()) {
    write_file(folder / kChatTemplateFile, model.chat_template);
    if (const Json tokenizer = model.base.side_file(kTokenizerConfig); !tokenizer.is_null())
      write_file(folder / kTokenizerConfig, without(tokenizer, "chat_template"));
  }
  write_file(folder / kConfig, without(model.base.config(), "quantization_config"));
}

void write_trained_gguf(const TrainedModel& model, const fs::path& path) {
  GgufMetadata metadata;
  const bool replaced = !model.chat_template.empty();
  for (const auto& [key, value] : model.base.gguf().raw_metadata())
    if (!tells_storage(key) && !(replaced && key == kChatTemplateKey))
      metadata.emplace_back(key, value);
  metadata.emplace_back("general.file_type", std::uint32_t{0});
  if (replaced) metadata.emplace_back(kChatTemplateKey, model.chat_template);
  std::vector<NamedTensor> labels;
  for (const NamedTensor& t : model.base.tensors())
    labels.push_back({t.name, {nullptr, t.tensor.shape, DType::f32}});
  const auto header = [&](const std::vector<NamedTensor>& all) {
    return gguf_header(metadata, all);
  };
  write_tensors(model, path, labels, header, true);
}

double mean_divergence(std::span<const float> p, std::span<const float> q, std::int64_t V) {
  const auto width = static_cast<std::size_t>(V);
  const std::size_t rows = p.size() / width;
  double total = 0;
  for (std::size_t r = 0; r < rows; ++r)
    total += divergence(distribution(p.subspan(r * width, width)),
                        distribution(q.subspan(r * width, width)));
  return total / static_cast<double>(std::max<std::size_t>(1, rows));
}

}  // namespace r1
