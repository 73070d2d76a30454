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

// How the reasoning begins that an answer may begin with.
enum class Thoughts {
  none,  // there is no reasoning
  may,   // with <think>, if that is what the answer begins with
  open   // the prompt ends behind <think>
};

// How Mistral's templates differ from one another.
struct MistralForm {
  bool markers = false;         // [INST] is a token
  bool system_markers = false;  // [SYSTEM_PROMPT] too: the system text stands where it is said
  bool spaced = false;          // a space stands behind these tokens
  bool spaced_answer = false;   // and before an answer
  bool strips_answer = false;
  bool system_first = false;  // the system text stands in the first question
};

// A chat template, recognised by its markers and rendered by our code; never executed.
// Forms: deepseek-r1, chatml, llama3, inst, deepseek-coder.
class ChatTemplate {
 public:
  // Fails with `model` for a template of no known form, and says what it saw.
  static ChatTemplate recognise(std::string_view source);

  // The prompt up to where the answer begins. BOS is part of it where the form writes one.
  std::vector<PromptPart> render(const std::vector<ChatMessage>& messages) const;
  // The same, and behind it the answer with the marker that ends it, as a model that learns it is
  // to write it. Where answers begin with reasoning, one that has none gets an empty one.
  std::vector<PromptPart> render_with_answer(const std::vector<ChatMessage>& messages,
                                             std::string_view answer) const;
  Thoughts thoughts() const;
  // Does a system text stand in a question, and nowhere where there is none?
  bool needs_user() const { return form_ == Form::inst && !mistral_.system_markers; }
  std::string_view form() const;

 private:
  enum class Form { deepseek_r1, chatml, llama3, inst, deepseek_coder };
  Form form_ = Form::chatml;
  // What the source says beside the form.
  std::string default_system_;  // the system text when the messages have none
  std::string system_head_;     // llama3: the lines that stand before it ("Today Date: …")
  bool writes_bos_ = false;     // chatml: the prompt begins with it
  bool joins_systems_ = false;  // deepseek-r1: all of them count, else the last one
  bool cuts_thoughts_ = false;  // chatml: of earlier answers only what follows </think> stays
  bool opens_think_ = false;    // deepseek-r1, chatml: the prompt ends with <think>
  bool has_sys_marks_ = false;  // inst: <<SYS>> around the system text, as Llama 2 has it
  MistralForm mistral_;         // inst otherwise
};

// Where a folder and a GGUF file have it.
inline constexpr const char *kChatTemplateFile = "chat_template.jinja",
                            *kChatTemplateKey = "tokenizer.chat_template";

// The template of a model's files as it stands there; empty when there is none.
std::string read_chat_template(const ModelFiles& files);

inline constexpr std::string_view kBeginOfThought = "<think>", kEndOfThought = "</think>";

// Splits what a thinking model wrote at the first </think>; `reasoning` without an opening <think>,
// `answer` without leading newlines.
struct ThoughtAndAnswer {
  std::string reasoning, answer;
  bool complete = false;  // was there a </think>?
};
ThoughtAndAnswer split_reasoning(std::string_view output);

}  // namespace r1
