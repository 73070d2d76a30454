#include "tools/common/inputs.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "tools/common/signals.h"

namespace r1 {

bool LineReader::take(std::string& line) {
  const std::size_t at = buffer_.find(separator_, scanned_);
  scanned_ = buffer_.size();
  const bool whole = at != std::string::npos;
  if (!whole && (!at_end_ || begin_ == buffer_.size())) return false;
  const std::size_t end = whole ? at : buffer_.size();
  line.assign(buffer_, begin_, std::min(end - begin_, most_ + 1));
  begin_ = scanned_ = whole ? end + 1 : end;
  return true;
}

LineReader::State LineReader::next(std::string& line, bool wait) {
  while (!take(line)) {
    if (at_end_ || caught_signal() != 0) return State::end;
    pollfd ready{descriptor_, POLLIN, 0};
    const int found = ::poll(&ready, 1, wait ? -1 : 0);
    if (found < 0 && errno == EINTR) continue;
    if (found == 0) return State::not_yet;
    std::array<char, 65536> chunk;
    const ssize_t got = ::read(descriptor_, chunk.data(), chunk.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) fail(ErrorKind::decode, "{}: {}", name_, std::strerror(errno));
    at_end_ = got == 0;
    read_ += static_cast<std::uint64_t>(got);
    buffer_.erase(0, begin_);  // once a chunk, not once a line
    begin_ = 0;
    std::string_view news(chunk.data(), static_cast<std::size_t>(got));
    if (buffer_.size() > most_) news.remove_prefix(std::min(news.find(separator_), news.size()));
    scanned_ = buffer_.size();
    buffer_ += news;
  }
  return State::line;
}

double LineReader::share() const {
  struct stat about {};
  if (::fstat(descriptor_, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size == 0) return 0;
  return static_cast<double>(read_ - (buffer_.size() - begin_)) /
         static_cast<double>(about.st_size);
}

std::string read_stdin() {
  constexpr std::size_t kMost = std::size_t{1} << 30;
  std::string text;
  std::array<char, 65536> chunk;
  while (true) {
    stop_when_interrupted();
    pollfd ready{STDIN_FILENO, POLLIN, 0};
    if (::poll(&ready, 1, -1) < 0 && errno == EINTR) continue;
    const ssize_t got = ::read(STDIN_FILENO, chunk.data(), chunk.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) fail(ErrorKind::decode, "standard input: {}", std::strerror(errno));
    if (got == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(got));
    if (text.size() > kMost) fail(ErrorKind::limit, "standard input has more than {} bytes", kMost);
  }
}

std::string named_file(const std::string& path, std::size_t most) {
  return as_usage([&] { return read_file(path, most); });
}

std::string shown_input(const std::string& name) {
  return name.empty() || name == "-" ? "standard input" : escaped(name);
}

std::string text_or_file(const std::string& argument) {
  if (!argument.starts_with('@')) return argument;
  return argument.starts_with("@@") ? argument.substr(1) : named_file(argument.substr(1));
}

}  // namespace r1
