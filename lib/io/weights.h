#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/json.h"
#include "lib/base/reserved_pages.h"
#include "lib/io/gguf.h"
#include "lib/io/quantized_folder.h"
#include "lib/io/safetensors.h"

namespace r1 {

// The files of one model, mapped: a GGUF file (or its shards), or a Hugging Face directory.
// Everything handed out points into the mappings and is valid while this lives. Weights of a
// quantized directory, and of types of GGUF that nothing is computed in (converted_type.h), are
// labels on memory that has their numbers only between `fetch` and `release`.
class ModelFiles {
 public:
  static constexpr std::size_t kMostShards = 1000;

  // A .gguf file, a .safetensors file beside a config.json, or a directory with config.json
  // or with one .gguf model.
  static ModelFiles open(const std::filesystem::path& path, bool use_mmap = true);
  // The same of what is in memory already, which must outlive it. No file stands beside it.
  static ModelFiles of_gguf(ByteSpan file, std::string_view name);
  static ModelFiles of_folder(Json config, std::vector<NamedTensor> tensors);

  bool is_gguf() const { return gguf_ != nullptr; }
  const std::filesystem::path& path() const { return path_; }
  const GgufFile& gguf() const { return *gguf_; }  // of the first shard; only if is_gguf()
  const Json& config() const { return config_; }   // config.json; null for GGUF
  // Other files of the directory (generation_config.json, tokenizer.json …): null when absent.
  Json side_file(std::string_view file_name) const;
  std::filesystem::path side_path(std::string_view file_name) const;  // beside the weights

  const std::vector<NamedTensor>& tensors() const { return tensors_; }  // by name
  const Tensor* find(std::string_view name) const;
  // Before its numbers are read: those that the files keep in another form are made now. Fails with
  // `model`. Not by two threads at once.
  void fetch(const Tensor& tensor) const;
  // Its pages may leave memory; those of some of its rows too, where they are pages of a file.
  void release(const Tensor& tensor) const;
  bool was_quantized(const Tensor& tensor) const;    // its numbers are made by `fetch`
  std::vector<std::filesystem::path> paths() const;  // of the files that hold tensors
  std::uint64_t total_bytes() const { return total_bytes_; }
  // "sha256:…" where a store's file name already gives it, else "sample:…", of headers, size and
  // some of the weights.
  const std::string& digest() const { return digest_; }

 private:
  void open_gguf(const std::filesystem::path& path, bool use_mmap);
  void open_folder(const std::filesystem::path& folder, bool use_mmap);
  void check_index(const Json& index, const std::map<std::string, std::string>& holder) const;
  void index_tensors();
  void take_quantized(const std::string& where);
  void take_converted(const std::vector<ConvertedTensor>& tensors);
  void add_made(QuantizedWeight weight);
  void release_mapped(ByteSpan part) const;

  struct Made {
    QuantizedWeight weight;
    ReservedPages memory;
  };

  std::filesystem::path path_;
  std::vector<std::unique_ptr<MappedFile>> files_;
  std::unique_ptr<GgufFile> gguf_;
  std::vector<SafetensorsFile> shards_;
  Json config_;
  std::vector<NamedTensor> tensors_;
  mutable std::map<const void*, Made> made_;  // by where their numbers will be
  std::uint64_t total_bytes_ = 0;
  std::string digest_;
};

}  // namespace r1
