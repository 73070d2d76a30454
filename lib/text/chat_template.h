#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/text/tokenizer.h"

namespace r1 {

struct ChatMessage {
  std::string role;  // system, user, assistant
  std::string content;
};

// A chat template, recognised by its markers and rendered by our code; never executed.
// Forms: deepseek-r1, chatml, llama3, inst, deepseek-coder (MODELS.md 8).
class ChatTemplate {
 public:
  // Fails with `model` for a template of no known form, and says what it saw.
  static ChatTemplate recognise(std::string_view source);

  // The prompt up to where the answer begins. BOS is part of it where the form writes one.
  std::vector<PromptPart> render(const std::vector<ChatMessage>& messages) const;
  bool thinks() const { return form_ == Form::deepseek_r1; }  // output begins inside <think>
  std::string_view form() const;

 private:
  enum class Form { deepseek_r1, chatml, llama3, inst, deepseek_coder };
  Form form_ = Form::chatml;
  std::string default_system_;  // deepseek-coder: what its template says when nobody else does
};

// Splits what a thinking model wrote at the first </think>; `answer` without leading newlines.
struct ThoughtAndAnswer {
  std::string reasoning, answer;
  bool complete = false;  // was there a </think>?
};
ThoughtAndAnswer split_reasoning(std::string_view output);

}  // namespace r1
