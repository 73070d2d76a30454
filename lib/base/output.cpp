#include "lib/base/output.h"

#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/paths.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_write(const std::string& name) {
  fail(ErrorKind::write, "{}: {}", escaped(name), std::strerror(errno));
}

void write_whole(int descriptor, std::string_view text, const std::string& name) {
  while (!text.empty()) {
    const ssize_t n = ::write(descriptor, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {  // who shares a pipe may have asked for this
      pollfd ready{descriptor, POLLOUT, 0};
      ::poll(&ready, 1, -1);
      continue;
    }
    if (n < 0) fail_write(name);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

// Collects small writes; every full buffer, flush and close is checked.
class Buffered : public Output {
 public:
  void write(std::string_view text) override {
    buffer_ += text;
    if (buffer_.size() >= kMost) flush();
  }
  void flush() override {
    const std::string text = std::move(buffer_);
    buffer_.clear();  // also when the write fails: the same bytes are not tried twice
    write_whole(descriptor_, text, name_);
  }

 protected:
  explicit Buffered(std::string name) : name_(std::move(name)) {}

  static constexpr std::size_t kMost = 65536;
  std::string name_;
  int descriptor_ = -1;
  std::string buffer_;
};

class Stdout : public Buffered {
 public:
  Stdout() : Buffered("standard output") { descriptor_ = STDOUT_FILENO; }
  void close() override {
    flush();
    // A closed descriptor matters only if something was to be written, and then `flush` failed.
    if (::close(STDOUT_FILENO) != 0 && errno != EBADF) fail_write(name_);
  }
};

class Device : public Buffered {
 public:
  explicit Device(const fs::path& path) : Buffered(path.string()) {
    descriptor_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (descriptor_ < 0) fail_write(name_);
  }
  ~Device() override {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  void close() override {
    flush();
    if (::close(std::exchange(descriptor_, -1)) != 0) fail_write(name_);
  }
};

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// Writers hold a lock on their temporary, so one that can be locked belongs to a killed run. A
// process looks through a folder once: with a look for each file that it writes there, the time
// would grow with the square of their number.
void remove_leftovers(const fs::path& folder) {
  static std::mutex mutex;
  static std::set<fs::path> seen;
  if (const std::lock_guard lock(mutex); !seen.insert(folder).second) return;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (!is_temporary(entry.path().filename().string())) continue;
    const int fd = ::open(entry.path().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) continue;
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) ::unlink(entry.path().c_str());
    ::close(fd);
  }
}

// What replaces a file is for the same eyes, and may have `more` bits until it is whole.
void keep_mode(int descriptor, const fs::path& replaced, mode_t more = 0) {
  struct stat old {};
  if (::stat(replaced.c_str(), &old) == 0) ::fchmod(descriptor, (old.st_mode & 07777) | more);
}

class AtomicFile : public Buffered {
 public:
  explicit AtomicFile(const fs::path& path) : Buffered(path.string()), path_(path) {
    remove_leftovers(folder_of(path));
    while (!make_temporary()) ::close(descriptor_);
    const mode_t mask = ::umask(0);
    ::umask(mask);
    ::fchmod(descriptor_, 0666 & ~mask);
    keep_mode(descriptor_, path);
  }
  ~AtomicFile() override {
    if (descriptor_ < 0) return;
    ::unlink(temporary_.c_str());
    ::close(descriptor_);
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void close() override {
    flush();
    if (::fsync(descriptor_) != 0) fail_write(name_);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_write(name_);
    if (::close(std::exchange(descriptor_, -1)) != 0) fail_write(name_);
    sync_folder(folder_of(path_));
  }

 private:
  // False where another writer took it for a leftover before it was locked.
  bool make_temporary() {
    temporary_ = (folder_of(path_) / ".r1-XXXXXX.tmp").string();
    descriptor_ = ::mkostemps(temporary_.data(), 4, O_CLOEXEC);
    if (descriptor_ < 0) fail_write(name_);
    ::flock(descriptor_, LOCK_EX);
    struct stat mine {};
    return ::fstat(descriptor_, &mine) != 0 || mine.st_nlink > 0;
  }

  fs::path path_;
  std::string temporary_;
};

// One `write` a call; broken off, what was written stays.
class Growing : public Buffered {
 public:
  // `how`: O_APPEND or O_TRUNC, and O_NOFOLLOW.
  Growing(const fs::path& file, const std::string& name, int how) : Buffered(name) {
    descriptor_ = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | how,
                         S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH);
    if (descriptor_ < 0) fail_write(file.string());
  }
  ~Growing() override {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Growing(const Growing&) = delete;
  Growing& operator=(const Growing&) = delete;

  void write(std::string_view text) override { write_whole(descriptor_, text, name_); }
  void flush() override {}
  void close() override {
    if (::fsync(descriptor_) != 0) fail_write(name_);
    if (::close(std::exchange(descriptor_, -1)) != 0) fail_write(name_);
  }
};

class Journal : public Growing {
 public:
  explicit Journal(const fs::path& path) : Journal(path, path.string() + ".partial") {}
  // A run that made it and wrote nothing leaves nothing in the way of the next.
  ~Journal() override {
    struct stat mine {};
    if (is_new_ && descriptor_ >= 0 && ::fstat(descriptor_, &mine) == 0 && mine.st_size == 0)
      ::unlink(partial_.c_str());
  }
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  void close() override {
    keep_mode(descriptor_, path_);
    Growing::close();
    if (::rename(partial_.c_str(), path_.c_str()) != 0) fail_write(name_);
    sync_folder(folder_of(path_));
  }

 private:
  Journal(const fs::path& path, const fs::path& partial, bool is_new)
      : Growing(partial, path.string(), O_APPEND | O_NOFOLLOW),
        path_(path),
        partial_(partial),
        is_new_(is_new) {
    keep_mode(descriptor_, path_, S_IRUSR | S_IWUSR);  // it may be gone on with
  }
  Journal(const fs::path& path, const fs::path& partial)
      : Journal(path, partial, !is_taken(partial)) {}

  fs::path path_, partial_;
  bool is_new_;
};

}  // namespace

std::unique_ptr<Output> open_stdout() { return std::make_unique<Stdout>(); }

bool is_broken_pipe(const Error& error) {
  return std::string_view(error.what()).ends_with(std::strerror(EPIPE));
}

std::unique_ptr<Output> open_file(const fs::path& path) {
  return std::make_unique<AtomicFile>(path);
}

bool is_device(const fs::path& path) {
  constexpr int kMostLinks = 40;
  std::error_code none;
  if (fs::is_other(path, none)) return true;
  fs::path at = fs::absolute(path, none);
  for (int links = 0; links < kMostLinks; ++links) {
    if (fs::canonical(at.parent_path(), none).string().starts_with("/proc/")) return true;
    if (!fs::is_symlink(at, none)) return false;
    at = at.parent_path() / fs::read_symlink(at, none);
  }
  return false;
}

std::unique_ptr<Output> open_device(const fs::path& path) { return std::make_unique<Device>(path); }

std::unique_ptr<Output> open_journal(const fs::path& path) {
  return std::make_unique<Journal>(path);
}

std::unique_ptr<Output> open_growing(const fs::path& path, bool anew) {
  return std::make_unique<Growing>(path, path.string(), anew ? O_TRUNC : O_APPEND);
}

bool is_temporary(const std::string& name) {
  return name.starts_with(".r1-") && name.ends_with(".tmp") && name.size() == 14;
}

}  // namespace r1
