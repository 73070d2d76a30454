#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace r1 {

struct StopRules {
  std::vector<std::string> strings;
  bool at_line_end = false;    // before the first newline that follows any text of its line
  bool mid_line = false;       // the line has text before the answer begins
  bool at_line_start = false;  // the answer begins a line
  bool at_block_end = false;   // before the first line indented less than the block
  int block_indent = -1;       // of the block; -1: that of the first whole line
};

// Watches the bytes of one answer. Holds back what may turn out to be the beginning of a stop
// string or of the end of the block, so that what `push` returns is final.
class StopWatcher {
 public:
  explicit StopWatcher(StopRules rules)
      : rules_(std::move(rules)),
        any_text_(rules_.mid_line),
        at_line_start_(rules_.at_line_start) {}

  std::string push(std::string_view bytes);  // what may be printed now
  bool stopped() const { return stopped_; }
  std::string finish();  // what was held back, when the answer ended by itself

 private:
  bool ends_here(char c);  // looks at held_, which ends in c; cuts it where the answer stops
  bool ends_block(char c);
  std::size_t kept_back() const;  // bytes at the end of held_ that may not be printed yet

  StopRules rules_;
  std::string held_;
  bool stopped_ = false;
  bool any_text_;
  bool at_line_start_;   // only white space since the last newline
  int indent_ = 0;       // of the line so far
  std::size_t gap_ = 0;  // bytes of white space at the end of held_, from its first newline on
};

}  // namespace r1
