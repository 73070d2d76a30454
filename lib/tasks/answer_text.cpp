#include "lib/tasks/answer_text.h"

#include <algorithm>
#include <utility>

namespace r1 {
namespace {

std::string_view last_line(std::string_view text) {
  const std::size_t newline = text.rfind('\n');
  return text.substr(newline == std::string_view::npos ? 0 : newline + 1);
}

// The block that a caret stands in: the indentation of its line, unless that line opens a block or
// is empty so far, when it is what is typed already, or the first line's that follows.
int block_indent(std::string_view prefix) {
  const std::string_view line = last_line(prefix);
  const std::size_t indent = line.find_first_not_of(" \t");
  if (indent == std::string_view::npos) return line.empty() ? -1 : static_cast<int>(line.size());
  const std::size_t last = line.find_last_not_of(" \t\r");
  return std::string_view(":{([").find(line[last]) == std::string_view::npos
             ? static_cast<int>(indent)
             : -1;
}

}  // namespace

void AnswerText::push(std::string_view bytes) {
  if (thoughts_ == Thoughts::none) return answer(bytes);
  raw_ += bytes;
  if (thoughts_ == Thoughts::may) begin();
  if (thoughts_ != Thoughts::open) return;
  if (raw_.find(kEndOfThought, searched_) == std::string::npos) {
    searched_ = raw_.size() - std::min(raw_.size(), kEndOfThought.size() - 1);
    return;
  }
  const ThoughtAndAnswer split = split_reasoning(raw_);
  if (split.answer.empty()) return;  // newlines before the answer do not count
  thoughts_ = Thoughts::none;
  answer(split.answer);
}

void AnswerText::begin() {
  const std::size_t white = std::min(raw_.find_first_not_of(" \t\r\n"), raw_.size());
  const std::string_view seen = std::string_view(raw_).substr(white);
  if (kBeginOfThought.starts_with(seen.substr(0, kBeginOfThought.size()))) {
    if (seen.size() < kBeginOfThought.size()) return;
    raw_.erase(0, white);
    thoughts_ = Thoughts::open;
  } else {
    thoughts_ = Thoughts::none;
    answer(std::exchange(raw_, {}));
  }
}

void AnswerText::finish() {
  if (thoughts_ == Thoughts::may) answer(std::exchange(raw_, {}));  // it never came to <think>
  if (thoughts_ != Thoughts::open) text_ += utf8_.push(watcher_.finish());
  text_ += utf8_.finish();
}

std::string AnswerText::reasoning() const {
  Utf8Stream whole;
  std::string out = whole.push(split_reasoning(raw_).reasoning);
  return out + whole.finish();
}

bool AnswerText::cut_while_thinking() const {
  return thoughts_ == Thoughts::open && !split_reasoning(raw_).complete;
}

StopRules rules_after(StopRules rules, std::string_view prefix) {
  if (rules.at_block_end) rules.block_indent = block_indent(prefix);
  rules.at_line_start = prefix.empty() || prefix.ends_with('\n');
  rules.mid_line = last_line(prefix).find_first_not_of(" \t") != std::string_view::npos;
  return rules;
}

}  // namespace r1
