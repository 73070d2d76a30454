#include "lib/io/small_files.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "lib/base/bytes.h"
#include "lib/base/lower.h"
#include "lib/base/output.h"
#include "lib/base/write_file.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNames[] = {
    "generation_config.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json",      "chat_template.json",    "preprocessor_config.json",
    "processor_config.json",  "tekken.json",           "merges.txt"};
constexpr std::string_view kBeginnings[] = {"tokenizer.", "vocab."};
constexpr std::string_view kEndings[] = {".model", ".jinja", ".tiktoken"};
constexpr std::string_view kCode[] = {"modeling_", "configuration_", "tokenization_",
                                      "processing_"};  // .py, as config.json's auto_map names it
constexpr std::string_view kPapers[] = {"license", "licence", "copying",
                                        "notice",  "readme",  "use_policy"};

template <typename Words, typename Fits>
bool any(const Words& words, const Fits& fits) {
  return std::any_of(std::begin(words), std::end(words), fits);
}

// Does it say how text is read and written?
bool is_of_text(const std::string& low) {
  return any(kNames, [&](std::string_view w) { return low == w; }) ||
         any(kBeginnings, [&](std::string_view w) { return low.starts_with(w); }) ||
         any(kEndings, [&](std::string_view w) { return low.ends_with(w); });
}

template <typename Wanted>
std::vector<fs::path> files_in(const fs::path& folder, const Wanted& wanted) {
  std::vector<fs::path> files;
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, none))
    if (wanted(entry.path().filename().string()) && fs::is_regular_file(entry.path(), none))
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

bool is_small_file(const std::string& name) {
  const std::string low = lower(name);
  const auto begins = [&](std::string_view w) { return low.starts_with(w); };
  return is_of_text(low) || any(kPapers, begins) || (low.ends_with(".py") && any(kCode, begins));
}

std::vector<fs::path> small_files(const fs::path& folder) {
  return files_in(folder, is_small_file);
}

std::vector<fs::path> text_files(const fs::path& folder) {
  return files_in(folder, [](const std::string& name) { return is_of_text(lower(name)); });
}

void copy_small_files(const std::vector<fs::path>& files, const fs::path& folder) {
  constexpr std::size_t kMost = std::size_t{1} << 30;
  for (const fs::path& path : files) write_file(folder / path.filename(), read_file(path, kMost));
}

}  // namespace r1
