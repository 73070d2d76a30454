#include "lib/quant/plan.h"

#include "lib/base/error.h"
#include "lib/models/decoder_config.h"
#include "lib/quant/storable.h"
#include "lib/text/gguf_vocabulary.h"

namespace r1 {
namespace {

constexpr std::uint32_t kQuantizationVersion = 2;  // of GGUF's blocks
constexpr std::string_view kRecipe = "r1.quantize.recipe";

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
  check_architecture(files.gguf());
  QuantizePlan plan;
  for (const auto& [key, value] : files.gguf().raw_metadata())
    if (!tells_storage(key) && key != kRecipe) plan.metadata.emplace_back(key, value);
  if (files.gguf().names().size() == files.tensors().size())
    for (const std::string& name : files.gguf().names())
      plan.tensors.push_back({{name, *files.find(name)}});
  else  // of shards: all by name, their order in memory is chance
    for (const NamedTensor& t : files.tensors()) plan.tensors.push_back({{t.name, t.tensor}});
  return plan;
}

void need_vector_or_matrix(const PlannedTensor& t) {
  need_weight({t.name(), t.from()});
  if (t.from().shape.rank() > 2)
    fail(ErrorKind::model, "{} is {}, which is neither a vector nor a matrix", escaped(t.name()),
         to_string(t.from().shape));
}

std::string_view kind_of(const PlannedTensor& t) {
  return is_quantized(t.from().dtype) ? to_string(t.from().dtype) : "quantized";
}

[[noreturn]] void refuse_loss(const PlannedTensor& t) {
  fail(ErrorKind::usage, "{} is {} already; --allow-requantize loses more", escaped(t.name()),
       kind_of(t));
}

// Blocks are not made into another type, nor what blocks were made into plain numbers into blocks.
void refuse_twice(const PlannedTensor& t, const ModelFiles& files) {
  const bool blocks = is_quantized(t.from().dtype), made = files.was_quantized(t.from());
  if (t.to == t.from().dtype || !(blocks || (made && is_quantized(t.to)))) return;
  if (!is_quantized(t.to))
    fail(ErrorKind::usage,
         "{} is {} already; --allow-requantize makes {} of it, larger and no better",
         escaped(t.name()), kind_of(t), to_string(t.to));
  refuse_loss(t);
}

// Of shard `no`: all in the first, in the others no more than the recipe, which stands last.
GgufMetadata metadata_of(const QuantizePlan& plan, std::size_t no, std::size_t count) {
  if (count == 1) return plan.metadata;
  GgufMetadata metadata = no == 0 ? plan.metadata : GgufMetadata{plan.metadata.back()};
  metadata.emplace_back("split.no", static_cast<std::uint16_t>(no));
  metadata.emplace_back("split.count", static_cast<std::uint16_t>(count));
  metadata.emplace_back("split.tensors.count", static_cast<std::int32_t>(plan.tensors.size()));
  return metadata;
}

// `begins` are the first tensors of the files.
void lay_out(QuantizePlan& plan, const std::vector<std::size_t>& begins) {
  plan.shards.clear();
  plan.begins.clear();
  plan.bytes = 0;
  for (std::size_t s = 0; s < begins.size(); ++s) {
    PlannedShard shard{.header = {},
                       .first = begins[s],
                       .end = s + 1 < begins.size() ? begins[s + 1] : plan.tensors.size(),
                       .before = plan.bytes};
    std::vector<NamedTensor> targets;
    for (std::size_t i = shard.first; i < shard.end; ++i)
      targets.push_back({plan.tensors[i].name(), plan.tensors[i].target()});
    shard.header = gguf_header(metadata_of(plan, s, begins.size()), targets);
    shard.bytes = shard.header.size();
    for (const NamedTensor& t : targets) {
      plan.begins.push_back(shard.bytes);
      shard.bytes += t.tensor.bytes() + gguf_padding(t.tensor.bytes()).size();
    }
    plan.bytes += shard.bytes;
    plan.shards.push_back(std::move(shard));
  }
}

// The first tensors of files of at most plan.shard_bytes, or of one tensor.
std::vector<std::size_t> cut(const QuantizePlan& plan) {
  constexpr std::size_t kTwo = 2;  // any number of shards: the sizes of headers are the same
  std::vector<std::size_t> begins = {0};
  std::uint64_t bytes = gguf_header(metadata_of(plan, 0, kTwo), {}).size();
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
    const Tensor t = plan.tensors[i].target();
    // A header of its own is longer than its part of one.
    const std::uint64_t more = gguf_header({}, {{plan.tensors[i].name(), t}}).size() + t.bytes() +
                               gguf_padding(t.bytes()).size();
    if (i > begins.back() && bytes + more > plan.shard_bytes) {
      begins.push_back(i);
      bytes = gguf_header(metadata_of(plan, 1, kTwo), {}).size();
    }
    bytes += more;
  }
  return begins;
}

void lay_out(QuantizePlan& plan) {
  lay_out(plan, {0});
  if (plan.shard_bytes == 0 || plan.bytes <= plan.shard_bytes) return;
  const std::vector<std::size_t> begins = cut(plan);
  if (begins.size() > ModelFiles::kMostShards)
    fail(ErrorKind::usage, "files of {} bytes would be {}; at most {} are read", plan.shard_bytes,
         begins.size(), ModelFiles::kMostShards);
  lay_out(plan, begins);
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

std::vector<std::filesystem::path> QuantizePlan::paths(const std::filesystem::path& out) const {
  if (shards.size() == 1) return {out};
  std::vector<std::filesystem::path> paths;
  for (std::size_t s = 1; s <= shards.size(); ++s)
    paths.push_back(out.parent_path() /
                    fmt::format("{}-{:05}-of-{:05}.gguf", out.stem().string(), s, shards.size()));
  return paths;
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

void QuantizePlan::set_shard_size(std::uint64_t most) {
  shard_bytes = most;
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
    t.kept = types[i].kept;
    need_vector_or_matrix(t);
    if (!requantize) refuse_twice(t, files);
  }
  plan.metadata.emplace_back("general.alignment", kGgufAlignment);
  plan.metadata.emplace_back("general.quantization_version", kQuantizationVersion);
  plan.metadata.emplace_back("general.file_type", choice.mix->file_type);
  plan.metadata.emplace_back(kRecipe, std::string(16, '0'));
  lay_out(plan);
  return plan;
}

void refuse_blocks(const QuantizePlan& plan) {
  for (const PlannedTensor& t : plan.tensors)
    if (t.free && (is_quantized(t.from().dtype) || plan.files->was_quantized(t.from())))
      refuse_loss(t);
}

}  // namespace r1
