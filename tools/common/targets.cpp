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
#include "lib/base/paths.h"
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

// Fails with `usage` where the working directory is gone.
fs::path whole_path(const fs::path& path) {
  std::error_code failed;
  const fs::path whole = fs::absolute(path, failed);
  if (failed) fail(ErrorKind::usage, "{}: {}", escaped(path.string()), failed.message());
  return whole;
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
  const fs::path whole = leaves ? whole_path(path) : path;
  return whole.lexically_normal().relative_path();
}

fs::path Targets::place_of(const std::string& input) const {
  fs::path place =
      options_.sidecars ? fs::path(input) : fs::path(options_.folder) / rerooted(input);
  return place.replace_extension(options_.ending);
}

// The folder may have several names, and be there not yet.
fs::path Targets::key_of(const fs::path& target) {
  std::error_code unknown;
  const fs::path whole = whole_path(target).lexically_normal();
  const fs::path folder = fs::weakly_canonical(whole.parent_path(), unknown);
  return unknown ? whole : folder / whole.filename();
}

void Targets::take(const std::vector<fs::path>& places) {
  if (!wanted()) return;
  for (const fs::path& place : places) claimed_.insert(key_of(place));
}

void Targets::keep(const std::string& input) {
  struct stat found = {};
  if (wanted() && ::stat(input.c_str(), &found) == 0) kept_.emplace(found.st_dev, found.st_ino);
}

bool Targets::is_kept(const fs::path& target) const {
  struct stat found = {};
  return ::stat(target.c_str(), &found) == 0 && kept_.contains({found.st_dev, found.st_ino});
}

bool Targets::may_replace() const {
  return wanted() && options_.if_exists != "skip" && options_.if_exists != "error";
}

void Targets::reserve(const std::string& input) {
  reserved_.emplace(key_of(place_of(input)), input);
}

fs::path Targets::claim(const std::string& input) {
  if (input.empty()) fail(ErrorKind::usage, "standard input has no name to store its result under");
  fs::path target = place_of(input);
  std::error_code none;
  if (fs::equivalent(target, input, none))
    fail(ErrorKind::usage, "{} would be replaced by its own result", escaped(input));
  keep(input);
  const bool stays = options_.if_exists == "skip";
  if (!stays && is_kept(target))
    fail(ErrorKind::usage, "{} is read, and would be replaced by a result",
         escaped(target.string()));
  const auto reserved = reserved_.find(key_of(target));
  const bool of_another = reserved != reserved_.end() && reserved->second != input;
  if (of_another || !claimed_.insert(key_of(target)).second)
    fail(ErrorKind::usage, "{} is where another result goes", escaped(target.string()));
  if (!stays && is_taken(target)) check_replaced(target);
  return target;
}

// What a link leads to may be of others, and what is no file has no text.
void Targets::check_replaced(const fs::path& target) const {
  std::error_code none;
  const fs::file_status there = fs::symlink_status(target, none);
  const bool joins = options_.if_exists == "append" || options_.if_exists == "prepend";
  if (options_.if_exists == "error") fail(ErrorKind::usage, "{} exists", escaped(target.string()));
  if (fs::is_symlink(there) ? joins : !fs::is_regular_file(there))
    fail(ErrorKind::usage, "{} is {}", escaped(target.string()),
         fs::is_symlink(there) ? "a link" : "no file that a result could replace");
}

bool Targets::skips(const fs::path& target) const {
  return options_.if_exists == "skip" && is_taken(target);
}

void Targets::write(const fs::path& target, std::string_view text) const {
  if (!options_.folder.empty())
    make_folders(options_.folder, target.lexically_relative(options_.folder).parent_path());
  std::string whole(text);
  if (is_there(target)) {
    if (options_.if_exists == "append") whole = joined(read_file(target), text);
    if (options_.if_exists == "prepend") whole = joined(whole, read_file(target));
  }
  write_file(target, whole);
}

}  // namespace r1
