#include "lib/quant/plan.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/text/gguf_vocabulary.h"

namespace r1 {
namespace {

constexpr std::uint32_t kQuantizationVersion = 2;  // of GGUF's blocks
constexpr std::string_view kRecipe = "r1.quantize.recipe";

bool tells_storage(std::string_view key) {
  return key == "general.file_type" || key == "general.quantization_version" ||
         key == "general.alignment" || key == kRecipe || key.starts_with("split.");
}

// A folder as a GGUF file.
QuantizePlan from_folder(const ModelFiles& files, const std::filesystem::path& data_dir) {
  GgufExport gguf = export_gguf(files);
  QuantizePlan plan;
  plan.metadata = std::move(gguf.metadata);
  for (auto& pair : gguf_vocabulary(files, gguf.vocab, data_dir))
    plan.metadata.push_back(std::move(pair));
  for (GgufTensor& t : gguf.tensors) plan.tensors.push_back({std::move(t)});
  plan.rope_factors = std::move(gguf.rope_factors);  // they stay where they are
  return plan;
}

QuantizePlan from_gguf(const ModelFiles& files) {
  QuantizePlan plan;
  for (const auto& [key, value] : files.gguf().raw_metadata())
    if (!tells_storage(key)) plan.metadata.emplace_back(key, value);
  // Of shards only all by name: their order in memory is chance.
  const bool one_file = files.gguf().tensors().size() == files.tensors().size();
  for (const NamedTensor& t : one_file ? files.gguf().tensors() : files.tensors())
    plan.tensors.push_back({{t.name, t.tensor}});
  return plan;
}

// What a folder kept in fewer bits may become plain.
void refuse_twice(const PlannedTensor& t, const ModelFiles& files) {
  if (t.to == t.from().dtype) return;
  if (is_quantized(t.from().dtype))
    fail(ErrorKind::usage, "{} is {} already; --allow-requantize loses more", escaped(t.name()),
         to_string(t.from().dtype));
  if (files.was_quantized(t.from()) && is_quantized(t.to))
    fail(ErrorKind::usage, "{} was quantized already; --allow-requantize loses more",
         escaped(t.name()));
}

void lay_out(QuantizePlan& plan) {
  std::vector<NamedTensor> targets;
  for (const PlannedTensor& t : plan.tensors) targets.push_back({t.name(), t.target()});
  plan.header = gguf_header(plan.metadata, targets);
  plan.bytes = plan.header.size();
  plan.begins.clear();
  for (const NamedTensor& t : targets) {
    plan.begins.push_back(plan.bytes);
    plan.bytes += t.tensor.bytes() + gguf_padding(t.tensor.bytes()).size();
  }
}

}  // namespace

void PlannedTensor::read_row(std::span<float> values, std::int64_t row) const {
  read_rows(values, source, from().shape.rank() == 1 ? 0 : row);
  if (channel_scales == nullptr) return;
  for (std::size_t k = 0; k < values.size(); ++k) values[k] *= (*channel_scales)[k];
}

std::vector<NamedTensor> QuantizePlan::sources() const {
  std::vector<NamedTensor> named;
  for (const PlannedTensor& t : tensors) named.push_back({t.name(), t.from()});
  return named;
}

std::uint64_t QuantizePlan::weights() const {
  std::uint64_t n = 0;
  for (const PlannedTensor& t : tensors) n += static_cast<std::uint64_t>(t.from().shape.elements());
  return n;
}

void QuantizePlan::set_recipe(const std::string& digits) {
  metadata.back().second = digits;  // plan_quantization put it last
  lay_out(*this);
}

void QuantizePlan::set_file_type(std::uint32_t file_type) {
  for (auto& [key, value] : metadata)
    if (key == "general.file_type") value = file_type;
  lay_out(*this);
}

QuantizePlan plan_quantization(const ModelFiles& files, const TypeChoice& choice, bool requantize,
                               const std::filesystem::path& data_dir) {
  QuantizePlan plan = files.is_gguf() ? from_gguf(files) : from_folder(files, data_dir);
  plan.files = &files;
  const std::vector<ChosenType> types = choose_types(plan.sources(), choice);
  for (std::size_t i = 0; i < types.size(); ++i) {
    PlannedTensor& t = plan.tensors[i];
    t.to = types[i].dtype;
    t.fell_back = types[i].fell_back;
    t.free = types[i].free;
    if (!requantize) refuse_twice(t, files);
  }
  plan.metadata.emplace_back("general.quantization_version", kQuantizationVersion);
  plan.metadata.emplace_back("general.file_type", choice.mix->file_type);
  plan.metadata.emplace_back(kRecipe, std::string(16, '0'));
  lay_out(plan);
  return plan;
}

}  // namespace r1
