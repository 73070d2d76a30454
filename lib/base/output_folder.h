#pragma once

#include <filesystem>

namespace r1 {

// A folder that appears whole or not at all: files are written into PATH.partial, which takes the
// place of PATH at `close`. Destroyed before, it leaves nothing.
class OutputFolder {
 public:
  // Fails with `write`; with `usage` where PATH or PATH.partial is there, unless `replace`. What is
  // replaced is empty, or holds a config.json and no folders: nobody's home.
  OutputFolder(const std::filesystem::path& path, bool replace);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const std::filesystem::path& partial() const { return partial_; }
  void close();

 private:
  std::filesystem::path path_, partial_;
};

}  // namespace r1
