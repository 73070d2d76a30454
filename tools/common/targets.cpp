#include "tools/common/targets.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/output.h"
#include "lib/base/write_file.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_write(const fs::path& path) {
  fail(ErrorKind::write, "{}: {}", escaped(path.string()), std::strerror(errno));
}

// A folder's descriptor, closed at the end.
class Folder {
 public:
  Folder(int parent, const fs::path& name, int flags, const fs::path& shown)
      : descriptor_(::openat(parent, name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | flags)) {
    if (descriptor_ < 0) fail_write(shown);
  }
  ~Folder() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Folder(Folder&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Folder& operator=(Folder&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

// Makes the folders of `below` under `root`, one after the other, so that a link in between, made
// by whoever made the names, leads nowhere.
void make_folders(const fs::path& root, const fs::path& below) {
  std::error_code failed;
  fs::create_directories(root, failed);
  Folder here(AT_FDCWD, root, 0, root);
  fs::path shown = root;
  for (const fs::path& name : below) {
    shown /= name;
    if (::mkdirat(here.descriptor(), name.c_str(), S_IRWXU | S_IRWXG | S_IRWXO) != 0 &&
        errno != EEXIST)
      fail_write(shown);
    here = Folder(here.descriptor(), name, O_NOFOLLOW, shown);
  }
}

// Two texts with one newline between them.
std::string joined(std::string first, std::string_view second) {
  if (!first.empty() && first.back() != '\n') first += '\n';
  return first.append(second);
}

}  // namespace

fs::path rerooted(const std::string& input) {
  const fs::path path(input);
  const bool leaves = path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end();
  const fs::path whole = leaves ? fs::absolute(path) : path;
  return whole.lexically_normal().relative_path();
}

fs::path Targets::place_of(const std::string& input) const {
  fs::path place =
      options_.sidecars ? fs::path(input) : fs::path(options_.folder) / rerooted(input);
  return place.replace_extension(options_.ending);
}

fs::path Targets::key_of(const fs::path& target) { return fs::absolute(target).lexically_normal(); }

void Targets::reserve(const std::string& input) {
  reserved_.emplace(key_of(place_of(input)), input);
}

fs::path Targets::claim(const std::string& input) {
  if (input.empty()) fail(ErrorKind::usage, "standard input has no name to store its result under");
  fs::path target = place_of(input);
  const auto reserved = reserved_.find(key_of(target));
  const bool of_another = reserved != reserved_.end() && reserved->second != input;
  if (of_another || !claimed_.insert(key_of(target)).second)
    fail(ErrorKind::usage, "{} is where the result of another input goes",
         escaped(target.string()));
  std::error_code none;
  const bool exists = fs::exists(fs::symlink_status(target, none));
  if (exists && fs::equivalent(target, input, none))
    fail(ErrorKind::usage, "{} would be replaced by its own result", escaped(input));
  if (exists && options_.if_exists == "error")
    fail(ErrorKind::usage, "{} exists", escaped(target.string()));
  return target;
}

bool Targets::skips(const fs::path& target) const {
  std::error_code none;
  return options_.if_exists == "skip" && fs::exists(fs::symlink_status(target, none));
}

void Targets::write(const fs::path& target, std::string_view text) const {
  if (!options_.folder.empty())
    make_folders(options_.folder, target.lexically_relative(options_.folder).parent_path());
  std::string whole(text);
  std::error_code none;
  if (fs::exists(target, none)) {
    if (options_.if_exists == "append") whole = joined(read_file(target), text);
    if (options_.if_exists == "prepend") whole = joined(whole, read_file(target));
  }
  write_file(target, whole);
}

}  // namespace r1
