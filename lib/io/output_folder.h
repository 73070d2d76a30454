#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "lib/base/output_lock.h"

namespace r1 {

// A folder that appears whole or not at all: files are written into PATH.partial, which takes the
// place of PATH at `close`. Destroyed before, it leaves nothing, unless it is to be gone on with.
// One run at a time has it.
class OutputFolder {
 public:
  // Fails with `write`; with `usage` where another run has it, or where PATH or PATH.partial is
  // there, unless `replace`. What is replaced is empty, or holds a config.json, no folders, and
  // files alone that models have or whose names are among `own`: nobody's home. With `resume` what
  // is in PATH.partial stays there.
  OutputFolder(const std::filesystem::path& path, bool replace, bool resume = false,
               const std::vector<std::string>& own = {});
  // Fails with `usage` where that would, but for other runs, and changes nothing.
  static void check(const std::filesystem::path& path, bool replace, bool resume,
                    const std::vector<std::string>& own);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const std::filesystem::path& partial() const { return partial_; }
  // Notes what the files depend on; false: those that are there depend on something else.
  bool begin(const std::string& recipe);
  void keep() { kept_ = true; }  // what was written, for `resume`
  // Fails, and keeps what was written, where something came to PATH that is not to be replaced.
  void close();

 private:
  std::filesystem::path path_, partial_;
  bool replace_;
  std::vector<std::string> own_;
  OutputLock lock_;
  bool kept_ = false;
};

}  // namespace r1
