#include "tools/quantize/messages.h"

#include <fmt/format.h>

namespace r1 {

void Messages::phase_done(std::string_view what) {
  const Clock::time_point now = Clock::now();
  say(fmt::format("{} in {:.2f} s", what, std::chrono::duration<double>(now - since_).count()));
  since_ = now;
}

}  // namespace r1
