#include "lib/io/weights_files.h"

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/io/weights.h"

namespace r1 {

std::uint64_t total_bytes(const std::vector<NamedTensor>& tensors) {
  std::uint64_t bytes = 0;
  for (const NamedTensor& t : tensors) bytes += t.tensor.bytes();
  return bytes;
}

std::vector<WeightsFile> weights_files(const std::vector<std::vector<NamedTensor>>& groups,
                                       std::uint64_t most) {
  std::vector<WeightsFile> files(1);
  std::uint64_t bytes = 0;  // of the last
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::uint64_t more = total_bytes(groups[i]);
    if (bytes > 0 && bytes + more > most) {
      files.push_back({{}, i, i, {}});
      bytes = 0;
    }
    bytes += more;
    files.back().end = i + 1;
    files.back().tensors.insert(files.back().tensors.end(), groups[i].begin(), groups[i].end());
  }
  if (files.size() > ModelFiles::kMostShards)
    fail(ErrorKind::usage, "files of {} bytes would be {}; at most {} are read", most, files.size(),
         ModelFiles::kMostShards);
  for (std::size_t i = 0; i < files.size(); ++i)
    files[i].name = files.size() == 1
                        ? kWeightsFile
                        : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, files.size());
  return files;
}

std::string weights_index(const std::vector<WeightsFile>& files) {
  if (files.size() == 1) return {};
  std::uint64_t total = 0;
  for (const WeightsFile& file : files) total += file.bytes();
  JsonWriter json;
  json.begin_object().key("metadata").begin_object().key("total_size");
  json.integer(static_cast<std::int64_t>(total)).end_object().key("weight_map").begin_object();
  for (const WeightsFile& file : files)
    for (const NamedTensor& t : file.tensors) json.key(t.name).string(file.name);
  return json.end_object().end_object().text() + "\n";
}

}  // namespace r1
