#include "lib/text/chat_template.h"

#include <algorithm>

#include "lib/base/error.h"

namespace r1 {
namespace {

constexpr std::size_t kLongestTemplate = 256 * 1024;

std::string stripped(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

// Collects the parts of a prompt.
struct Prompt {
  std::vector<PromptPart> parts;
  Prompt& marker(std::string_view text) {
    parts.push_back({std::string(text), true});
    return *this;
  }
  Prompt& text(std::string_view text) {
    if (!text.empty()) parts.push_back({std::string(text), false});
    return *this;
  }
};

std::string system_of(const std::vector<ChatMessage>& messages) {
  std::string system;
  for (const ChatMessage& m : messages)
    if (m.role == "system") system = m.content;  // of several the last one counts
  return system;
}

Prompt deepseek_r1(const std::vector<ChatMessage>& messages) {
  Prompt p;
  p.marker("<｜begin▁of▁sentence｜>").text(system_of(messages));
  for (const ChatMessage& m : messages) {
    if (m.role == "user") p.marker("<｜User｜>").text(m.content);
    if (m.role == "assistant") {
      const std::size_t end = m.content.rfind("</think>");
      const std::string_view answer =
          std::string_view(m.content).substr(end == std::string::npos ? 0 : end + 8);
      p.marker("<｜Assistant｜>").text(answer).marker("<｜end▁of▁sentence｜>");
    }
  }
  // <think> is text here: in some vocabularies it is a token that is not special, and matches.
  return p.marker("<｜Assistant｜>").text("<think>\n");
}

Prompt chatml(const std::vector<ChatMessage>& messages) {
  Prompt p;
  for (const ChatMessage& m : messages)
    p.marker("<|im_start|>").text(m.role + "\n" + m.content).marker("<|im_end|>").text("\n");
  return p.marker("<|im_start|>").text("assistant\n");
}

Prompt llama3(const std::vector<ChatMessage>& messages) {
  Prompt p;
  const auto head = [&p](std::string_view role) {
    p.marker("<|start_header_id|>").text(role).marker("<|end_header_id|>");
  };
  p.marker("<|begin_of_text|>");
  for (const ChatMessage& m : messages) {
    head(m.role);
    p.text("\n\n" + stripped(m.content)).marker("<|eot_id|>");
  }
  head("assistant");
  return p.text("\n\n");
}

// Llama 2 and Mistral: the system text stands inside the first question.
Prompt inst(const std::vector<ChatMessage>& messages) {
  Prompt p;
  std::string system = system_of(messages);
  if (!system.empty()) system = "<<SYS>>\n" + system + "\n<</SYS>>\n\n";
  for (const ChatMessage& m : messages) {
    if (m.role == "user") {
      p.marker("<s>").text("[INST] " + system + stripped(m.content) + " [/INST]");
      system.clear();
    }
    if (m.role == "assistant") p.text(" " + stripped(m.content) + " ").marker("</s>");
  }
  return p;
}

Prompt deepseek_coder(const std::vector<ChatMessage>& messages, std::string_view default_system) {
  Prompt p;
  const std::string system = system_of(messages);
  p.marker("<｜begin▁of▁sentence｜>").text(system.empty() ? default_system : system);
  for (const ChatMessage& m : messages) {
    if (m.role == "user") p.text("### Instruction:\n" + m.content + "\n");
    if (m.role == "assistant")
      p.text("### Response:\n" + m.content + "\n").marker("<|EOT|>").text("\n");
  }
  return p.text("### Response:\n");
}

// The system text that a template falls back to: its own sentence, up to the end of that line.
std::string default_system(std::string_view source) {
  const std::size_t begin = source.find("You are");
  if (begin == std::string_view::npos) return {};
  const std::size_t end = source.find_first_of("\n\\'\"", begin);
  return std::string(source.substr(begin, end - begin)) + "\n";
}

}  // namespace

ChatTemplate ChatTemplate::recognise(std::string_view source) {
  if (source.size() > kLongestTemplate)
    fail(ErrorKind::limit, "the chat template has {} bytes; at most {} are read", source.size(),
         kLongestTemplate);
  const auto has = [source](std::string_view text) {
    return source.find(text) != std::string_view::npos;
  };
  ChatTemplate t;
  if (has("<｜User｜>") && has("<｜Assistant｜>"))
    t.form_ = Form::deepseek_r1;
  else if (has("<|im_start|>"))
    t.form_ = Form::chatml;
  else if (has("<|start_header_id|>"))
    t.form_ = Form::llama3;
  else if (has("### Instruction:") && has("<|EOT|>"))
    t.form_ = Form::deepseek_coder, t.default_system_ = default_system(source);
  else if (has("[INST]"))
    t.form_ = Form::inst;
  else
    fail(ErrorKind::model, "the chat template is of no known form; it begins {}",
         escaped(source.substr(0, 60)));
  return t;
}

std::string_view ChatTemplate::form() const {
  switch (form_) {
    case Form::deepseek_r1:
      return "deepseek-r1";
    case Form::chatml:
      return "chatml";
    case Form::llama3:
      return "llama3";
    case Form::inst:
      return "inst";
    case Form::deepseek_coder:
      return "deepseek-coder";
  }
  return "";
}

std::vector<PromptPart> ChatTemplate::render(const std::vector<ChatMessage>& messages) const {
  switch (form_) {
    case Form::deepseek_r1:
      return deepseek_r1(messages).parts;
    case Form::chatml:
      return chatml(messages).parts;
    case Form::llama3:
      return llama3(messages).parts;
    case Form::inst:
      return inst(messages).parts;
    case Form::deepseek_coder:
      return deepseek_coder(messages, default_system_).parts;
  }
  return {};
}

ThoughtAndAnswer split_reasoning(std::string_view output) {
  constexpr std::string_view kEnd = "</think>";
  const std::size_t at = output.find(kEnd);
  if (at == std::string_view::npos) return {std::string(output), {}, false};
  std::string_view answer = output.substr(at + kEnd.size());
  answer.remove_prefix(std::min(answer.find_first_not_of('\n'), answer.size()));
  return {std::string(output.substr(0, at)), std::string(answer), true};
}

}  // namespace r1
