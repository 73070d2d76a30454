#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace r1 {

// "12 s", "3 min", "2 h".
std::string duration(double seconds);
// Short ones too: "0.3 s".
std::string time_span(double seconds);

// A line about how far it is, on a terminal, after half a second and ten times a second at most.
class ProgressLine {
 public:
  explicit ProgressLine(bool wanted) : wanted_(wanted) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // `expected`: how many there will be, as far as is known; 0 when nothing is. `unit`: of what.
  void draw(std::int64_t done, std::int64_t expected, std::string_view unit = {});
  void draw(const std::function<std::string()>& line);  // asked only when it is time for one
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  bool wanted_, drawn_ = false;
  Clock::time_point start_ = Clock::now(), next_ = start_ + std::chrono::milliseconds(500);
};

}  // namespace r1
