#pragma once

#include <filesystem>

namespace r1 {

// What one run at a time writes to, as long as this lives: a file or a folder, whatever its name
// becomes. File systems without locks have none.
class OutputLock {
 public:
  enum class Make { nothing, file, folder };

  OutputLock() = default;
  ~OutputLock() { release(); }
  OutputLock(const OutputLock&) = delete;
  OutputLock& operator=(const OutputLock&) = delete;

  // False where it is not there. Fails with `usage` where another run has it.
  bool take(const std::filesystem::path& output) { return take(output, output, Make::nothing); }
  // The same for OUTPUT.partial, which is no link. What was made for it goes with the lock if it is
  // empty still.
  bool take_partial(const std::filesystem::path& output, Make make = Make::nothing);
  void release();

 private:
  bool take(const std::filesystem::path& path, const std::filesystem::path& output, Make make);

  int descriptor_ = -1;
  std::filesystem::path made_;
};

}  // namespace r1
