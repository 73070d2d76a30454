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

}  // namespace

void ProgressLine::draw(std::int64_t done) {
  const Clock::time_point now = Clock::now();
  if (!wanted_ || now < next_) return;
  next_ = now + std::chrono::milliseconds(100);
  const double seconds = std::chrono::duration<double>(now - start_).count();
  put(fmt::format("\r\x1b[K{} done, {:.1f} a second", done, static_cast<double>(done) / seconds));
  drawn_ = true;
}

void ProgressLine::clear() {
  if (std::exchange(drawn_, false)) put("\r\x1b[K");
}

}  // namespace r1
