#pragma once

#include <chrono>
#include <string_view>

#include "tools/common/progress.h"
#include "tools/common/ui.h"

namespace r1 {

// What is said of a run on standard error.
class Messages {
 public:
  explicit Messages(const Ui& ui) : ui_(ui) {}

  ProgressLine progress_line() const { return {ui_, kTool}; }
  void warn(std::string_view line) const { ui_.say(kTool, line, 0); }
  void say(std::string_view line) const { ui_.say(kTool, line, 1); }          // -v
  void say_of_each(std::string_view line) const { ui_.say(kTool, line, 2); }  // -vv
  // -v: `what` took the time since the last one of these.
  void phase_done(std::string_view what);

 private:
  using Clock = std::chrono::steady_clock;

  static constexpr const char* kTool = "r1-quantize";
  const Ui& ui_;
  Clock::time_point since_ = Clock::now();
};

}  // namespace r1
