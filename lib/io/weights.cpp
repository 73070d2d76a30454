#include "lib/io/weights.h"

#include <algorithm>
#include <map>
#include <optional>
#include <regex>
#include <set>

#include <fmt/format.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"
#include "lib/base/paths.h"
#include "lib/base/sha256.h"
#include "lib/io/small_files.h"
#include "lib/io/weights_files.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

// A store that names its files by their SHA-256 has done the hashing for us. Otherwise the headers,
// the size, and the beginnings of some weights: training changes all of them, and nobody waits for
// the hash of 16 GB.
std::string digest_of(const fs::path& path, ByteSpan header, std::uint64_t total,
                      const std::vector<ByteSpan>& weights) {
  constexpr std::size_t kSamples = 64, kSampleBytes = 4096;
  std::error_code ignored;
  const fs::path target = fs::is_symlink(path, ignored) ? fs::read_symlink(path, ignored) : path;
  std::string name = target.filename().string();
  if (name.starts_with("sha256-")) name.erase(0, 7);
  if (is_hex(name, 64)) return "sha256:" + name;
  std::string text = std::string(as_text(header)) + std::to_string(total);
  for (std::size_t i = 0; i < std::min(kSamples, weights.size()); ++i) {
    const ByteSpan w = weights[i * weights.size() / std::min(kSamples, weights.size())];
    text += as_text(w.first(std::min(kSampleBytes, w.size())));
  }
  return "sample:" + sha256_hex(as_bytes(text));
}

std::vector<ByteSpan> bytes_of(const std::vector<NamedTensor>& tensors) {
  std::vector<ByteSpan> bytes(tensors.size());
  std::transform(tensors.begin(), tensors.end(), bytes.begin(), [](const NamedTensor& t) {
    return ByteSpan(static_cast<const std::byte*>(t.tensor.data), t.tensor.bytes());
  });
  return bytes;
}

std::string shown(const fs::path& path) { return escaped(path.string()); }

// The files of a safetensors model, first to last: from its index, or the one there is.
std::vector<std::string> shard_names(const fs::path& folder, const Json& index) {
  if (index.is_null()) return {kWeightsFile};
  std::set<std::string> names;
  const std::string where(kWeightsIndex);
  for (const auto& [tensor, file] : index.at("weight_map", where).object(where)) {
    const std::string& name = file.string(where + ": " + escaped(tensor));
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
        name.find('\\') != std::string::npos || name.find('\0') != std::string::npos)
      fail(ErrorKind::model, "{}: {} is not a plain file name", shown(folder / kWeightsIndex),
           escaped(name));
    names.insert(name);
  }
  if (names.size() > ModelFiles::kMostShards)
    fail(ErrorKind::limit, "{} names {} files; at most {} are read", shown(folder / kWeightsIndex),
         names.size(), ModelFiles::kMostShards);
  if (names.empty()) fail(ErrorKind::model, "{} names no file", shown(folder / kWeightsIndex));
  return {names.begin(), names.end()};
}

// What to say of a folder without safetensors.
[[noreturn]] void fail_without_weights(const fs::path& folder) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string ending = entry.path().extension().string();
    if (ending == ".bin" || ending == ".pt" || ending == ".pth" || ending == ".ckpt")
      fail(ErrorKind::format,
           "{} is a pickle, which can run code and is never read; convert it: load it in PyTorch "
           "and write it with safetensors.torch.save_file",
           shown(entry.path()));
  }
  fail(ErrorKind::not_found, "{} holds no {} and no {}", shown(folder), kWeightsFile,
       kWeightsIndex);
}

// name-00001-of-00003.gguf -> all three, else the file alone.
std::vector<fs::path> gguf_shards(const fs::path& path, const GgufFile& first) {
  const std::int64_t count = first.integer("split.count").value_or(1);
  if (count <= 1) return {path};
  if (std::cmp_greater(count, ModelFiles::kMostShards))
    fail(ErrorKind::limit, "{}: split.count is {}; at most {} files are read", shown(path), count,
         ModelFiles::kMostShards);
  const std::string name = path.filename().string();
  const std::size_t at = name.rfind("-00001-of-");
  if (at == std::string::npos)
    fail(ErrorKind::model, "{} is one of {} shards; name the first, …-00001-of-{:05}.gguf",
         shown(path), count, count);
  std::vector<fs::path> paths;
  for (std::int64_t i = 1; i <= count; ++i)
    paths.push_back(path.parent_path() /
                    fmt::format("{}-{:05}-of-{:05}.gguf", name.substr(0, at), i, count));
  return paths;
}

// The one model of a folder that has no config.json but a .gguf file, or several shards of one;
// nothing where there is none. Fails with `usage` for several.
std::optional<fs::path> lone_gguf(const fs::path& folder) {
  const std::regex later_shard("-(?!00001)[0-9]{5}-of-[0-9]{5}\\.gguf$");
  std::vector<std::string> names;
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(folder, unreadable)) {
    std::string name = entry.path().filename().string();
    if (name.ends_with(".gguf") && !std::regex_search(name, later_shard))
      names.push_back(std::move(name));
  }
  if (names.empty()) return std::nullopt;
  std::sort(names.begin(), names.end());
  if (names.size() > 1)
    fail(ErrorKind::usage, "{} has several models: name {} or another", shown(folder),
         shown(folder / names.front()));
  return folder / names.front();
}

}  // namespace

ModelFiles ModelFiles::open(const fs::path& path, bool use_mmap) {
  ModelFiles files;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    if (!is_there(path / "config.json"))
      if (const auto file = lone_gguf(path)) return open(*file, use_mmap);
    files.path_ = path;
    files.open_folder(path, use_mmap);
  } else if (path.extension() == ".safetensors") {
    files.path_ = path.has_parent_path() ? path.parent_path() : fs::path(".");
    files.open_folder(files.path_, use_mmap);
    const std::vector<fs::path> read = files.paths();
    if (std::none_of(read.begin(), read.end(),
                     [&](const fs::path& file) { return is_same_place(file, path); }))
      fail(ErrorKind::usage, "{} is none of the files of the model in {}", shown(path),
           shown(files.path_));
  } else {
    files.path_ = path;
    files.open_gguf(path, use_mmap);
  }
  files.index_tensors();
  return files;
}

namespace {
constexpr std::string_view kNowhere = "/dev/null/model";  // nothing can stand beside it
}

std::vector<fs::path> ModelFiles::paths() const {
  std::vector<fs::path> paths;
  for (const auto& file : files_) paths.push_back(file->path());
  return paths;
}

ModelFiles ModelFiles::of_gguf(ByteSpan file, std::string_view name) {
  ModelFiles files;
  files.path_ = kNowhere;
  files.gguf_ =
      std::make_unique<GgufFile>(GgufFile::parse(file, name, GgufFile::Types::converted_too));
  files.tensors_ = files.gguf_->tensors();
  files.take_converted(files.gguf_->converted());
  files.total_bytes_ = file.size();
  files.index_tensors();
  return files;
}

ModelFiles ModelFiles::of_folder(Json config, std::vector<NamedTensor> tensors) {
  ModelFiles files;
  files.path_ = kNowhere;
  files.config_ = std::move(config);
  files.tensors_ = std::move(tensors);
  files.take_quantized("config.json");
  files.index_tensors();
  return files;
}

void ModelFiles::open_gguf(const fs::path& path, bool use_mmap) {
  files_.push_back(std::make_unique<MappedFile>(path, use_mmap));
  const ByteSpan bytes = files_[0]->bytes();
  const auto parse = [](ByteSpan file, const fs::path& from) {
    return GgufFile::parse(file, from.string(), GgufFile::Types::converted_too);
  };
  gguf_ = std::make_unique<GgufFile>(parse(bytes, path));
  if (gguf_->string("general.type") == "adapter")
    fail(ErrorKind::model, "{} is an adapter, not a model; --adapter takes it", shown(path));
  tensors_ = gguf_->tensors();
  std::vector<ConvertedTensor> converted = gguf_->converted();
  total_bytes_ = bytes.size();
  const std::vector<fs::path> shards = gguf_shards(path, *gguf_);
  for (std::size_t i = 1; i < shards.size(); ++i) {
    files_.push_back(std::make_unique<MappedFile>(shards[i], use_mmap));
    const GgufFile shard = parse(files_.back()->bytes(), shards[i]);
    tensors_.insert(tensors_.end(), shard.tensors().begin(), shard.tensors().end());
    converted.insert(converted.end(), shard.converted().begin(), shard.converted().end());
    total_bytes_ += files_.back()->bytes().size();
  }
  const auto all = static_cast<std::int64_t>(tensors_.size() + converted.size());
  if (const auto said = gguf_->integer("split.tensors.count"); said && *said != all)
    fail(ErrorKind::model, "{} says {} tensors, and its files have {}", shown(path), *said, all);
  std::vector<ByteSpan> weights = bytes_of(tensors_);
  for (const ConvertedTensor& t : converted) weights.push_back(t.blocks);
  digest_ = digest_of(files_.size() == 1 ? path : fs::path(), bytes.first(gguf_->header_bytes()),
                      total_bytes_, weights);
  take_converted(converted);
}

void ModelFiles::open_folder(const fs::path& folder, bool use_mmap) {
  const fs::path config = folder / "config.json";
  std::error_code why;
  const bool there = fs::exists(config, why);
  if (why) fail(ErrorKind::perm, "{}: {}", shown(folder), why.message());
  if (!there)
    fail(ErrorKind::not_found, "{} has no config.json and no .gguf file{}", shown(folder),
         is_there(folder / "adapter_config.json") ? "; it is an adapter, which --adapter takes"
                                                  : "");
  config_ = parse_json(read_file(config), config.string());
  const Json index = side_file(kWeightsIndex);
  if (index.is_null() && !is_there(folder / kWeightsFile)) fail_without_weights(folder);
  std::map<std::string, std::string> holder;            // tensor -> the shard it was found in
  std::string others = sha256_hex(MappedFile(config));  // what a model is, beside its weights
  for (const fs::path& file : text_files(folder)) others += sha256_hex(MappedFile(file));
  for (const std::string& name : shard_names(folder, index)) {
    files_.push_back(std::make_unique<MappedFile>(folder / name, use_mmap));
    const ByteSpan bytes = files_.back()->bytes();
    shards_.push_back(parse_safetensors(bytes, (folder / name).string()));
    for (const NamedTensor& t : shards_.back().tensors) {
      tensors_.push_back(t);
      holder[t.name] = name;
    }
    total_bytes_ += bytes.size();
    others += sha256_hex(bytes.first(8 + ByteReader(bytes, name).read<std::uint64_t>()));
  }
  check_index(index, holder);
  digest_ = digest_of({}, as_bytes(others), total_bytes_, bytes_of(tensors_));
  take_quantized(shown(folder));
}

// Each tensor stands in the shard that the index names, and none is missing.
void ModelFiles::check_index(const Json& index,
                             const std::map<std::string, std::string>& holder) const {
  if (index.is_null()) return;
  const std::string where = shown(path_ / kWeightsIndex);
  const Json::Object& map = index.at("weight_map", where).object(where);
  for (const auto& [tensor, file] : map) {
    const auto found = holder.find(tensor);
    if (found == holder.end() || found->second != file.string(where))
      fail(ErrorKind::model, "{}: {} does not stand in {}", where, escaped(tensor),
           escaped(file.string(where)));
  }
  if (map.size() != tensors_.size())
    fail(ErrorKind::model, "{} names {} tensors, and the files have {}", where, map.size(),
         tensors_.size());
}

void ModelFiles::take_quantized(const std::string& where) {
  for (QuantizedWeight& w : quantized_weights(config_, tensors_, where)) add_made(std::move(w));
}

void ModelFiles::take_converted(const std::vector<ConvertedTensor>& tensors) {
  for (const ConvertedTensor& t : tensors) {
    const auto convert = [t](void* plain) { t.type->convert(plain, t.blocks); };
    add_made({t.name, t.shape, t.type->dtype, convert, {t.blocks}});
  }
}

void ModelFiles::add_made(QuantizedWeight w) {
  Tensor plain{nullptr, w.shape, w.dtype};
  ReservedPages memory(plain.bytes());
  plain.data = memory.data();
  tensors_.push_back({w.name, plain});
  made_.emplace(plain.data, Made{std::move(w), std::move(memory)});
}

void ModelFiles::fetch(const Tensor& tensor) const {
  const auto found = made_.find(tensor.data);
  if (found == made_.end() || found->second.memory.committed()) return;
  found->second.memory.commit();
  found->second.weight.unpack(tensor.data);
  for (const ByteSpan part : found->second.weight.made_of) release_mapped(part);
}

bool ModelFiles::was_quantized(const Tensor& tensor) const { return made_.contains(tensor.data); }

void ModelFiles::index_tensors() {
  std::sort(tensors_.begin(), tensors_.end(),
            [](const NamedTensor& a, const NamedTensor& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < tensors_.size(); ++i)
    if (tensors_[i].name == tensors_[i - 1].name)
      fail(ErrorKind::model, "{}: {} stands in two files", shown(path_), escaped(tensors_[i].name));
}

const Tensor* ModelFiles::find(std::string_view name) const {
  const auto at =
      std::lower_bound(tensors_.begin(), tensors_.end(), name,
                       [](const NamedTensor& t, std::string_view n) { return t.name < n; });
  return at != tensors_.end() && at->name == name ? &at->tensor : nullptr;
}

fs::path ModelFiles::side_path(std::string_view file_name) const {
  const fs::path folder = is_gguf() ? path_.parent_path() : path_;
  return folder / file_name;
}

Json ModelFiles::side_file(std::string_view file_name) const {
  const fs::path path = side_path(file_name);
  return is_there(path) ? parse_json(read_file(path), path.string()) : Json();
}

void ModelFiles::release(const Tensor& tensor) const {
  const auto made = made_.find(tensor.data);
  if (made == made_.end())
    return release_mapped({static_cast<const std::byte*>(tensor.data), tensor.bytes()});
  if (tensor.shape == made->second.weight.shape) made->second.memory.decommit();
}

void ModelFiles::release_mapped(ByteSpan part) const {
  for (const auto& file : files_) {
    const ByteSpan bytes = file->bytes();
    if (part.data() >= bytes.data() && part.data() < bytes.data() + bytes.size())
      file->release(part);
  }
}

}  // namespace r1
