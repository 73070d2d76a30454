#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace r1 {

struct StopRules {
  std::vector<std::string> strings;
  bool at_line_end = false;   // after the first newline that follows any text
  bool at_block_end = false;  // before the first line indented less than the first one
};

// Watches the bytes of one answer. Holds back what may turn out to be the beginning of a stop
// string, so that what `push` returns is final.
class StopWatcher {
 public:
  explicit StopWatcher(StopRules rules) : rules_(std::move(rules)) {}

  std::string push(std::string_view bytes);  // what may be printed now
  bool stopped() const { return stopped_; }
  std::string finish();  // what was held back, when the answer ended by itself

 private:
  StopRules rules_;
  std::string held_;
  std::string line_;
  bool stopped_ = false;
  bool any_text_ = false;
};

}  // namespace r1
