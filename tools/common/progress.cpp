#include "tools/common/progress.h"

#include <string>
#include <utility>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace r1 {
namespace {

void put(const std::string& text) {
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

// As much of a line as the terminal has columns.
std::string fitting(const std::string& line) {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return line;
  return line.substr(0, size.ws_col - 1u);  // the cursor stands in the last
}

}  // namespace

std::string duration(double seconds) {
  if (seconds < 100) return fmt::format("{:.0f} s", seconds);
  if (seconds < 6000) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.0f} h", seconds / 3600);
}

std::string time_span(double seconds) {
  return seconds < 10 ? fmt::format("{:.2g} s", seconds) : duration(seconds);
}

ProgressLine::ProgressLine(const Ui& ui, std::string_view tool, bool wanted,
                           Clock::duration between_messages)
    : ui_(ui),
      tool_(tool),
      wanted_(wanted && (ui.progress || ui.says_progress)),
      between_(ui.progress ? std::chrono::milliseconds(100) : between_messages),
      next_(start_ + (ui.progress ? std::chrono::milliseconds(500) : between_messages)) {}

void ProgressLine::draw(std::int64_t done, std::int64_t expected, std::string_view unit) {
  if (done == 0) return;
  draw([&] {
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    const double rate = static_cast<double>(done) / seconds;
    const double left = static_cast<double>(expected - done) / rate;
    const std::string of = unit.empty() ? std::string() : fmt::format(" {}", unit);
    return fmt::format("{}{} done, {:.1f}{} a second{}", done, of, rate, of,
                       expected <= done ? std::string() : fmt::format(", {} left", duration(left)));
  });
}

void ProgressLine::draw(const std::function<std::string()>& line) {
  const Clock::time_point now = Clock::now();
  if (!wanted_ || now < next_) return;
  next_ = now + between_;
  if (!ui_.progress) return ui_.say(tool_, line(), 1);
  put("\r\x1b[K" + fitting(line()));
  drawn_ = true;
}

void ProgressLine::clear() {
  if (std::exchange(drawn_, false)) put("\r\x1b[K");
}

}  // namespace r1
