#include "tools/common/progress.h"

#include <string>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace r1 {
namespace {

void put(const std::string& text) {
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

// "12 s", "3 min", "2 h".
std::string duration(double seconds) {
  if (seconds < 100) return fmt::format("{:.0f} s", seconds);
  if (seconds < 6000) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.0f} h", seconds / 3600);
}

}  // namespace

void ProgressLine::draw(std::int64_t done, std::int64_t expected) {
  const Clock::time_point now = Clock::now();
  if (!wanted_ || done == 0 || now < next_) return;
  next_ = now + std::chrono::milliseconds(100);
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = static_cast<double>(done) / seconds;
  const double left = static_cast<double>(expected - done) / rate;
  put(fmt::format("\r\x1b[K{} done, {:.1f} a second{}", done, rate,
                  expected <= done ? std::string() : fmt::format(", {} left", duration(left))));
  drawn_ = true;
}

void ProgressLine::clear() {
  if (std::exchange(drawn_, false)) put("\r\x1b[K");
}

}  // namespace r1
