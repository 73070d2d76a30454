#include "lib/base/paths.h"

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

}  // namespace r1
