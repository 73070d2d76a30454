#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "lib/base/error.h"

namespace r1 {

// A folder inside the output for files that have not yet their names: gone afterwards, with all
// that `finish` has not moved up.
class Unfinished {
 public:
  explicit Unfinished(const std::filesystem::path& output)
      : output_(output), path_(output / "export.partial") {
    clear();
    std::error_code error;
    std::filesystem::create_directories(path_, error);
    if (error) fail(ErrorKind::write, "{}: {}", escaped(path_.string()), error.message());
  }
  ~Unfinished() { clear(); }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // The names that they have now.
  std::vector<std::string> finish() {
    std::vector<std::string> names;
    std::error_code error;
    for (const std::filesystem::directory_entry& entry :
         std::filesystem::directory_iterator(path_, error))
      names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      std::filesystem::rename(path_ / name, output_ / name, error);
      if (error) fail(ErrorKind::write, "{}: {}", escaped(output_.string()), error.message());
    }
    return names;
  }

 private:
  void clear() const {
    std::error_code none;
    std::filesystem::remove_all(path_, none);
  }
  std::filesystem::path output_, path_;
};

}  // namespace r1
