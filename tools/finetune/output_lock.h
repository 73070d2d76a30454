#pragma once

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/base/error.h"

namespace r1 {

// A folder that one run at a time writes to, as long as this lives.
class OutputLock {
 public:
  OutputLock() = default;
  ~OutputLock() {
    if (folder_ >= 0) ::close(folder_);
  }
  OutputLock(const OutputLock&) = delete;
  OutputLock& operator=(const OutputLock&) = delete;

  // Once it is there. Fails with `usage` where another run has it; file systems without locks have
  // none.
  void take(const std::string& name) {
    if (folder_ >= 0) return;
    folder_ = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_ >= 0 && ::flock(folder_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
      fail(ErrorKind::usage, "{} is written by another run", escaped(name));
  }

 private:
  int folder_ = -1;
};

}  // namespace r1
