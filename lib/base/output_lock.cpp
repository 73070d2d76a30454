#include "lib/base/output_lock.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

bool has_name(int descriptor, const fs::path& path) {
  struct stat mine {};
  struct stat named {};
  return ::fstat(descriptor, &mine) == 0 && ::stat(path.c_str(), &named) == 0 &&
         mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
}

}  // namespace

bool OutputLock::take_partial(const fs::path& output, Make make) {
  if (descriptor_ >= 0) return true;
  fs::path partial = output;
  partial += ".partial";
  if (!take(partial, output, make)) return false;
  OutputLock().take(output);  // where it has just got its name, that run is not yet done
  return true;
}

bool OutputLock::take(const fs::path& path, const fs::path& output, Make make) {
  if (descriptor_ >= 0) return true;
  int how = make == Make::file ? O_RDWR | O_CREAT : O_RDONLY;
  if (path != output) how |= O_NOFOLLOW;
  constexpr mode_t kMode = S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH;
  for (;;) {
    std::error_code none;
    if (make == Make::folder) fs::create_directory(path, none);
    const int descriptor = ::open(path.c_str(), how | O_NONBLOCK | O_CLOEXEC, kMode);
    if (descriptor < 0 && errno == ELOOP)
      fail(ErrorKind::usage, "{} is a link, and nothing is written through it",
           escaped(path.string()));
    if (descriptor < 0) return false;
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(descriptor);
      fail(ErrorKind::usage, "{} is written by another run", escaped(output.string()));
    }
    if (has_name(descriptor, path)) {
      descriptor_ = descriptor;
      if (make != Make::nothing) made_ = path;
      return true;
    }
    ::close(descriptor);  // whoever had it before has renamed or removed it meanwhile
  }
}

void OutputLock::release() {
  if (descriptor_ < 0) return;
  std::error_code none;
  const fs::path made = std::exchange(made_, {});
  if (!made.empty() && has_name(descriptor_, made) && fs::is_empty(made, none))
    fs::remove(made, none);
  ::close(std::exchange(descriptor_, -1));
}

}  // namespace r1
