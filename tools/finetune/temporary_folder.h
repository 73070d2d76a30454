#pragma once

#include <filesystem>
#include <string>

#include <unistd.h>

#include "lib/base/error.h"

namespace r1 {

// A folder among temporary files, if it is wanted: gone afterwards, with all that is in it.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(bool wanted) {
    if (!wanted) return;
    std::string name = (std::filesystem::temp_directory_path() / "r1-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) fail(ErrorKind::write, "{} cannot be made", escaped(name));
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code none;
    if (!path_.empty()) std::filesystem::remove_all(path_, none);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace r1
