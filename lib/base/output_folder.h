#pragma once

#include <filesystem>
#include <string>

namespace r1 {

// A folder that appears whole or not at all: files are written into PATH.partial, which takes the
// place of PATH at `close`. Destroyed before, it leaves nothing, unless it is to be gone on with.
class OutputFolder {
 public:
  // Fails with `write`; with `usage` where PATH or PATH.partial is there, unless `replace`. What is
  // replaced is empty, or holds a config.json and no folders: nobody's home. With `resume` what is
  // in PATH.partial stays there.
  OutputFolder(const std::filesystem::path& path, bool replace, bool resume = false);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const std::filesystem::path& partial() const { return partial_; }
  // Notes what the files depend on; false: those that are there depend on something else.
  bool begin(const std::string& recipe);
  void keep() { kept_ = true; }  // what was written, for `resume`
  void close();

 private:
  std::filesystem::path path_, partial_;
  bool kept_ = false;
};

}  // namespace r1
