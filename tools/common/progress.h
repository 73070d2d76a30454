#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tools/common/ui.h"

namespace r1 {

// "12 s", "3 min", "2 h".
std::string duration(double seconds);
// Short ones too: "0.3 s".
std::string time_span(double seconds);

// A line about how far it is: drawn on a terminal, after half a second and ten times a second at
// most; elsewhere, with -v, a message a minute.
class ProgressLine {
 public:
  using Clock = std::chrono::steady_clock;

  // `wanted`: false for neither. `ui` outlives this.
  ProgressLine(const Ui& ui, std::string_view tool, bool wanted = true,
               Clock::duration between_messages = std::chrono::minutes(1));
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // `expected`: how many there will be, as far as is known; 0 when nothing is. `unit`: of what.
  void draw(std::int64_t done, std::int64_t expected, std::string_view unit = {});
  void draw(const std::function<std::string()>& line);  // asked only when it is time for one
  void clear();

 private:
  const Ui& ui_;
  std::string tool_;
  bool wanted_, drawn_ = false;
  Clock::duration between_;  // two lines
  Clock::time_point start_ = Clock::now(), next_;
};

}  // namespace r1
