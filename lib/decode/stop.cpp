#include "lib/decode/stop.h"

#include <algorithm>
#include <utility>

namespace r1 {

std::string StopWatcher::push(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    if (stopped_) break;
    held_ += c;
    stopped_ = ends_here(c);
    const std::size_t ready = held_.size() - (stopped_ ? 0 : kept_back());
    out += std::string_view(held_).substr(0, ready);
    held_.erase(0, ready);
  }
  return out;
}

std::string StopWatcher::finish() { return stopped_ ? std::string() : std::exchange(held_, {}); }

bool StopWatcher::ends_here(char c) {
  for (const std::string& s : rules_.strings)
    if (!s.empty() && held_.ends_with(s)) {
      held_.resize(held_.size() - s.size());
      return true;
    }
  if (rules_.at_line_end && c == '\n' && any_text_) {
    held_.resize(held_.size() - (held_.ends_with("\r\n") ? 2 : 1));
    return true;
  }
  if (rules_.at_block_end && ends_block(c)) return true;
  if (c != '\n' && c != ' ' && c != '\t' && c != '\r') any_text_ = true;
  return false;
}

bool StopWatcher::ends_block(char c) {
  const bool blank = c == ' ' || c == '\t' || c == '\r';
  if (c == '\n') {
    at_line_start_ = true;
    indent_ = 0;
    ++gap_;
    return false;
  }
  if (!at_line_start_) return false;
  if (blank) {
    indent_ += c != '\r';
    ++gap_;
    return false;
  }
  at_line_start_ = false;
  const std::size_t gap = std::exchange(gap_, 0);
  if (rules_.block_indent < 0) rules_.block_indent = indent_;
  if (indent_ >= rules_.block_indent) return false;
  held_.resize(held_.size() - 1 - gap);
  return true;
}

std::size_t StopWatcher::kept_back() const {
  std::size_t most = std::max<std::size_t>(gap_, rules_.at_line_end && held_.ends_with('\r'));
  for (const std::string& s : rules_.strings)
    for (std::size_t n = std::min(s.size(), held_.size() + 1); n-- > 1;)
      if (std::string_view(held_).ends_with(std::string_view(s).substr(0, n))) {
        most = std::max(most, n);
        break;
      }
  return most;
}

}  // namespace r1
