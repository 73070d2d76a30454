#include "lib/io/small_files.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "lib/base/bytes.h"
#include "lib/base/output.h"
#include "lib/base/write_file.h"

namespace r1 {

namespace fs = std::filesystem;

std::vector<fs::path> small_files(const fs::path& folder) {
  constexpr std::string_view kWeights[] = {".safetensors", ".bin", ".pt",      ".pth", ".ckpt",
                                           ".gguf",        ".h5",  ".msgpack", ".onnx"};
  constexpr std::string_view kDescriptions[] = {"config.json", "model.safetensors.index.json",
                                                "pytorch_model.bin.index.json",
                                                "quantize_config.json", "quant_config.json"};
  constexpr std::string_view kOfRuns[] = {"records.jsonl", "loss.svg", "run.json", "r1.recipe",
                                          "r1.sums"};  // what r1-finetune and r1-quantize leave
  const auto has = [](const auto& list, const std::string& text) {
    return std::find(std::begin(list), std::end(list), text) != std::end(list);
  };
  std::vector<fs::path> files;
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, none)) {
    const fs::path& path = entry.path();
    const std::string name = path.filename().string();
    if (!name.starts_with(".") && fs::is_regular_file(path, none) && !name.ends_with(".partial") &&
        !has(kWeights, path.extension().string()) && !has(kDescriptions, name) &&
        !has(kOfRuns, name))
      files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

void copy_small_files(const std::vector<fs::path>& files, const fs::path& folder) {
  constexpr std::size_t kMost = std::size_t{1} << 30;
  for (const fs::path& path : files) write_file(folder / path.filename(), read_file(path, kMost));
}

}  // namespace r1
