#include "lib/quant/plan.h"

#include <algorithm>

#include "lib/base/error.h"

namespace r1 {
namespace {

constexpr std::uint32_t kQuantizationVersion = 2;  // of GGUF's blocks

bool tells_storage(std::string_view key) {
  return key == "general.file_type" || key == "general.quantization_version" ||
         key == "general.alignment" || key.starts_with("split.");
}

GgufMetadata kept_metadata(const ModelFiles& files) {
  GgufMetadata kept;
  for (const auto& [key, value] : files.gguf().raw_metadata())
    if (!tells_storage(key)) kept.emplace_back(key, value);
  return kept;
}

std::vector<PlannedTensor> source_tensors(const ModelFiles& files) {
  const bool one_file = files.gguf().tensors().size() == files.tensors().size();
  std::vector<PlannedTensor> all;
  for (const NamedTensor& t : one_file ? files.gguf().tensors() : files.tensors())
    all.push_back({t.name, t.tensor, t.tensor.dtype});
  return all;
}

void refuse_twice(const PlannedTensor& t) {
  if (is_quantized(t.from.dtype) && t.to != t.from.dtype)
    fail(ErrorKind::usage, "{} is {} already; --allow-requantize loses more", escaped(t.name),
         to_string(t.from.dtype));
}

void lay_out(QuantizePlan& plan) {
  std::vector<NamedTensor> targets;
  for (const PlannedTensor& t : plan.tensors) targets.push_back({t.name, t.target()});
  plan.header = gguf_header(plan.metadata, targets);
  plan.bytes = plan.header.size();
  for (const NamedTensor& t : targets) {
    plan.begins.push_back(plan.bytes);
    plan.bytes += t.tensor.bytes() + gguf_padding(t.tensor.bytes()).size();
  }
}

}  // namespace

std::int64_t PlannedTensor::source_row(std::int64_t row) const {
  if (head_dim == 0) return row;
  const std::int64_t i = row % head_dim;
  return row - i + i / 2 + i % 2 * (head_dim / 2);
}

std::uint64_t QuantizePlan::weights() const {
  std::uint64_t n = 0;
  for (const PlannedTensor& t : tensors) n += static_cast<std::uint64_t>(t.from.shape.elements());
  return n;
}

QuantizePlan plan_quantization(const ModelFiles& files, const TypeChoice& choice, bool requantize) {
  if (!files.is_gguf())
    fail(ErrorKind::format, "{} is a folder; GGUF files alone are quantized so far",
         escaped(files.path().string()));
  QuantizePlan plan{kept_metadata(files), source_tensors(files), {}, {}, 0};
  std::vector<NamedTensor> named;
  for (const PlannedTensor& t : plan.tensors) named.push_back({t.name, t.from});
  const std::vector<ChosenType> types = choose_types(named, choice);
  for (std::size_t i = 0; i < types.size(); ++i) {
    plan.tensors[i].to = types[i].dtype;
    plan.tensors[i].fell_back = types[i].fell_back;
    if (!requantize) refuse_twice(plan.tensors[i]);
  }
  plan.metadata.emplace_back("general.quantization_version", kQuantizationVersion);
  plan.metadata.emplace_back("general.file_type", choice.mix->file_type);
  lay_out(plan);
  return plan;
}

}  // namespace r1
