#include "lib/base/paths.h"

#include <cerrno>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

namespace r1 {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(path, unknown);
}

bool is_taken(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(fs::symlink_status(path, unknown));
}

bool is_same_place(const fs::path& a, const fs::path& b) {
  std::error_code unknown;
  if (a.empty() || b.empty()) return false;
  if (fs::equivalent(a, b, unknown)) return true;
  const fs::path x = fs::absolute(without_slash(a), unknown);
  const fs::path y = fs::absolute(without_slash(b), unknown);
  return x.filename() == y.filename() && is_same_place(x.parent_path(), y.parent_path());
}

fs::path without_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

// File systems that know no such flags, as NFS, have a moment with neither under that name.
bool take_place(const fs::path& from, const fs::path& to) {
  const bool replaces = is_taken(to);
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(),
                  replaces ? RENAME_EXCHANGE : RENAME_NOREPLACE) == 0)
    return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
  if (!replaces) return ::rename(from.c_str(), to.c_str()) == 0;
  fs::path aside = from;
  aside += ".old";
  if (::rename(to.c_str(), aside.c_str()) != 0) return false;
  if (::rename(from.c_str(), to.c_str()) == 0) return ::rename(aside.c_str(), from.c_str()) == 0;
  const int why = errno;
  ::rename(aside.c_str(), to.c_str());  // it stays as it was
  errno = why;
  return false;
}

void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace r1
