#include "tools/common/results.h"

#include <filesystem>

namespace r1 {

std::unique_ptr<Output> open_results(const std::string& path, bool records, bool force) {
  if (path == "-") return open_stdout();
  if (is_device(path)) return open_device(path);
  if (!records) return open_file(path);
  std::error_code ignored;
  if (force) std::filesystem::remove(path + ".partial", ignored);
  return open_journal(path);
}

std::string in_the_way(const std::string& path) {
  if (path == "-" || is_device(path)) return {};
  for (const std::string& name : {path, path + ".partial"})
    if (std::error_code none; std::filesystem::exists(name, none)) return name;
  return {};
}

}  // namespace r1
