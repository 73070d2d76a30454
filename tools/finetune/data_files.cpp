#include "tools/finetune/data_files.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "lib/base/error.h"
#include "lib/base/lower.h"
#include "lib/train/data_file.h"
#include "tools/common/signals.h"
#include "tools/finetune/run_file.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

// Files in and below a folder that somebody who names the folder means.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    stop_when_interrupted();
    const fs::path& path = entry->path();
    std::error_code none;
    if (path.filename().string().starts_with('.') || (entry->is_directory(none) && holds_run(path)))
      entry.disable_recursion_pending();
    else if (entry->is_regular_file(none) && entry->file_size(none) > 0)
      files.push_back(path);
  }
  if (error) fail(ErrorKind::usage, "{}: {}", escaped(folder.string()), error.message());
  std::sort(files.begin(), files.end());
  return files;
}

// In a folder, .json is a configuration more often than one sample a line.
bool is_learnt(const fs::path& file) {
  if (lower(file.extension().string()) == ".json") return false;
  return holds_samples(file) || is_text(as_text(open_data(file).bytes()));
}

}  // namespace

DataFiles data_files(const std::vector<std::string>& named) {
  DataFiles found;
  for (const std::string& name : named) {
    std::error_code none;
    if (!fs::is_directory(name, none)) {
      found.names.push_back(name);
      continue;
    }
    const std::size_t before = found.names.size();
    for (const fs::path& file : files_below(name)) {
      stop_when_interrupted();
      if (is_learnt(file))
        found.names.push_back(file.string());
      else
        ++found.left_out;
    }
    if (found.names.size() == before) fail(ErrorKind::usage, "{} has no text in it", escaped(name));
  }
  return found;
}

}  // namespace r1
