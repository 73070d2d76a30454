#pragma once

#include <string>
#include <string_view>

#include "lib/base/utf8.h"
#include "lib/decode/stop.h"
#include "lib/text/chat_template.h"

namespace r1 {

// Bytes of tokens to the text of one answer: stop rules, whole characters, reasoning apart.
class AnswerText {
 public:
  AnswerText(StopRules rules, Thoughts thoughts)
      : watcher_(std::move(rules)), thoughts_(thoughts) {}

  void push(std::string_view bytes);
  void finish();
  bool stopped() const { return watcher_.stopped(); }
  const std::string& text() const { return text_; }
  std::string reasoning() const;
  bool cut_while_thinking() const;

 private:
  void begin();  // finds out whether raw_ begins with reasoning, once that can be told
  void answer(std::string_view bytes) { text_ += utf8_.push(watcher_.push(bytes)); }

  StopWatcher watcher_;
  Utf8Stream utf8_;
  std::string text_, raw_;
  std::size_t searched_ = 0;  // of raw_: nothing ends the reasoning before it
  Thoughts thoughts_;         // open: bytes are reasoning; none: the answer
};

// The rules with what they have to know of the text before the answer.
StopRules rules_after(StopRules rules, std::string_view prefix);

}  // namespace r1
