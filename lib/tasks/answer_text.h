#pragma once

#include <string>
#include <string_view>

#include "lib/base/utf8.h"
#include "lib/decode/stop.h"

namespace r1 {

// Bytes of tokens to the text of one answer: stop rules, whole characters, reasoning apart.
class AnswerText {
 public:
  // `thinks`: the answer begins with reasoning.
  AnswerText(StopRules rules, bool thinks) : watcher_(std::move(rules)), thinking_(thinks) {}

  void push(std::string_view bytes);
  void finish();
  bool stopped() const { return watcher_.stopped(); }
  const std::string& text() const { return text_; }
  std::string reasoning() const;
  bool cut_while_thinking() const;

 private:
  StopWatcher watcher_;
  Utf8Stream utf8_;
  std::string text_, raw_;
  std::size_t searched_ = 0;  // of raw_: nothing ends the reasoning before it
  bool thinking_;
};

// The rules with what they have to know of the text before the answer.
StopRules rules_after(StopRules rules, std::string_view prefix);

}  // namespace r1
