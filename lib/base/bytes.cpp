#include "lib/base/bytes.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"

namespace r1 {
namespace {

// The mappings a SIGBUS may come from. A fixed table, because a signal handler may read it at any
// moment; a slot is free when its size is 0.
struct Mapping {
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::size_t> size{0};
  std::array<char, 320> line{};  // what to say of it
};
constexpr std::size_t kMostMappings = 1024;
std::array<Mapping, kMostMappings> mappings;

std::string& speaker() {  // "r1-complete: "
  static std::string name;
  return name;
}

void remember(const void* begin, std::size_t size, std::string_view name) {
  for (Mapping& m : mappings) {
    std::size_t free_slot = 0;
    if (!m.size.compare_exchange_strong(free_slot, size)) continue;
    const std::string line =
        fmt::format("{}{} became shorter while in use\n", speaker(), escaped(name));
    m.line = {};
    std::copy_n(line.begin(), std::min(line.size(), m.line.size() - 1), m.line.begin());
    m.begin = reinterpret_cast<std::uintptr_t>(begin);
    return;
  }
}

void forget(const void* begin) {
  for (Mapping& m : mappings)
    if (m.begin == reinterpret_cast<std::uintptr_t>(begin)) {
      m.begin = 0;
      m.size = 0;
      return;
    }
}

// No longjmp: the fault may be on any thread, in the middle of a kernel.
void on_sigbus(int signal_number, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (const Mapping& m : mappings)
    if (const std::uintptr_t begin = m.begin; begin != 0 && address - begin < m.size) {
      [[maybe_unused]] const ssize_t ignored =
          ::write(STDERR_FILENO, m.line.data(), std::strlen(m.line.data()));
      ::_exit(3);
    }
  ::signal(signal_number, SIG_DFL);
  ::raise(signal_number);
}

class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ >= 0) return;
    const ErrorKind kind =
        errno == EACCES || errno == EPERM ? ErrorKind::perm : ErrorKind::not_found;
    fail(kind, "{}: {}", escaped(path.string()), std::strerror(errno));
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string read_up_to(int descriptor, std::size_t most, std::string_view name) {
  std::string text;
  std::array<char, 65536> chunk;
  while (true) {
    const ssize_t got = ::read(descriptor, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(ErrorKind::decode, "{}: {}", escaped(name), std::strerror(errno));
    if (got == 0) return text;
    if (text.size() + static_cast<std::size_t>(got) > most)
      fail(ErrorKind::limit, "{} has more than {} bytes", escaped(name), most);
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

// A file whose length is known: in memory once, and never twice.
void read_exactly(int descriptor, std::span<std::byte> out, std::string_view name) {
  while (!out.empty()) {
    const ssize_t got = ::read(descriptor, out.data(), out.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(ErrorKind::decode, "{}: {}", escaped(name), std::strerror(errno));
    if (got == 0) fail(ErrorKind::truncated, "{} became shorter while it was read", escaped(name));
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path, bool use_mmap) : path_(path) {
  const Descriptor file(path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !(S_ISREG(status.st_mode) || S_ISFIFO(status.st_mode)))
    fail(ErrorKind::format, "{} is not a file", escaped(path.string()));
  if (S_ISREG(status.st_mode) && use_mmap && status.st_size > 0) {
    const auto size = static_cast<std::size_t>(status.st_size);
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (data != MAP_FAILED) {
      bytes_ = {static_cast<const std::byte*>(data), size};
      mapped_ = true;
      remember(data, size, path.string());
      return;
    }
  }
  if (S_ISREG(status.st_mode)) {
    copy_.resize(static_cast<std::size_t>(status.st_size));
    read_exactly(file.get(), copy_, path.string());
  } else {
    const std::string text = read_up_to(file.get(), SIZE_MAX, path.string());
    copy_.assign(as_bytes(text).begin(), as_bytes(text).end());
  }
  bytes_ = copy_;
}

MappedFile::~MappedFile() {
  if (!mapped_) return;
  forget(bytes_.data());
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      bytes_(other.bytes_),
      mapped_(std::exchange(other.mapped_, false)),
      copy_(std::move(other.copy_)) {}

void MappedFile::release(ByteSpan part) const {
  if (!mapped_) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t before =
      (page - reinterpret_cast<std::uintptr_t>(part.data()) % page) % page;
  if (part.size() < before + page) return;
  auto* whole_pages = const_cast<std::byte*>(part.data()) + before;
  ::madvise(whole_pages, (part.size() - before) / page * page, MADV_DONTNEED);
}

void guard_mappings(std::string_view tool_name) {
  speaker() = std::string(tool_name) + ": ";
  struct sigaction action {};
  action.sa_sigaction = on_sigbus;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

std::string read_file(const std::filesystem::path& path, std::size_t most) {
  const Descriptor file(path);
  struct stat status {};
  if (::fstat(file.get(), &status) == 0 && S_ISDIR(status.st_mode))
    fail(ErrorKind::format, "{} is a directory", escaped(path.string()));
  return read_up_to(file.get(), most, path.string());
}

}  // namespace r1
