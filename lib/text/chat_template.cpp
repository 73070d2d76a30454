#include "lib/text/chat_template.h"

#include <algorithm>
#include <filesystem>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/paths.h"

namespace r1 {
namespace {

constexpr std::size_t kLongestTemplate = std::size_t{256} * 1024;

std::string stripped(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

using Kind = PromptPart::Kind;

// Collects the parts of a prompt. Texts that meet are one: a token may reach across.
struct Prompt {
  std::vector<PromptPart> parts;
  Prompt& bos() {
    parts.push_back({"", Kind::bos});
    return *this;
  }
  Prompt& marker(std::string_view text) {
    parts.push_back({std::string(text), Kind::marker});
    return *this;
  }
  Prompt& text(std::string_view text) { return add(text, Kind::continued); }
  // Behind the beginning or the end of a text: sentencepiece puts its space before it.
  Prompt& new_text(std::string_view text) { return add(text, Kind::text); }

 private:
  Prompt& add(std::string_view text, Kind kind) {
    if (text.empty()) return *this;
    const bool meets =
        !parts.empty() && parts.back().kind != Kind::marker && parts.back().kind != Kind::bos;
    if (!meets) parts.push_back({"", kind});
    parts.back().text += text;
    return *this;
  }
};

std::string system_of(const std::vector<ChatMessage>& messages, std::string_view otherwise) {
  std::string system(otherwise);
  for (const ChatMessage& m : messages)
    if (m.role == "system") system = m.content;  // of several the last one counts
  return system;
}

// All of them, in one text.
std::string systems_of(const std::vector<ChatMessage>& messages) {
  std::string all;
  for (const ChatMessage& m : messages)
    if (m.role == "system") all += (all.empty() ? "" : "\n\n") + m.content;
  return all;
}

// What follows the last </think>: thoughts of earlier turns are not shown again.
std::string_view after_thoughts(std::string_view answer) {
  const std::size_t end = answer.rfind(kEndOfThought);
  return end == std::string_view::npos ? answer : answer.substr(end + kEndOfThought.size());
}

std::string_view without_leading_newlines(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  return text;
}

// An answer that begins with its reasoning, empty where there is none: what a model that reasons is
// to write. `opened`: <think> and a newline end the prompt.
std::string with_thoughts(std::string_view answer, bool opened) {
  ThoughtAndAnswer split = split_reasoning(answer);
  if (!split.complete) split = {"", std::string(without_leading_newlines(answer))};
  std::string thoughts(without_leading_newlines(split.reasoning));
  thoughts.resize(thoughts.find_last_not_of('\n') + 1);  // npos + 1 is 0
  if (!opened || !thoughts.empty()) thoughts += "\n";
  return (opened ? "" : "<think>\n") + thoughts + "</think>\n\n" + split.answer;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// What stands in `source` between two texts; nothing when they are not there, or when a quote
// between them shows that the template puts it together from parts.
std::string literal_between(std::string_view source, std::string_view before,
                            std::string_view after) {
  for (std::size_t at = source.find(before); at != std::string_view::npos;
       at = source.find(before, at + 1)) {
    const std::string_view rest = source.substr(at + before.size());
    const std::size_t end = rest.find(after);
    if (end == std::string_view::npos) break;  // nor behind any later one
    const std::string_view found = rest.substr(0, end);
    if (found.empty() || found.find_first_of("'\"{") != std::string_view::npos) continue;
    std::string text(found);
    replace_all(text, "\\n", "\n");
    return text;
  }
  return {};
}

Prompt deepseek_r1(const std::vector<ChatMessage>& messages, bool joins_systems, bool opens_think) {
  Prompt p;
  p.marker("<｜begin▁of▁sentence｜>");
  p.text(joins_systems ? systems_of(messages) : system_of(messages, ""));
  for (const ChatMessage& m : messages) {
    if (m.role == "user") p.marker("<｜User｜>").text(m.content);
    if (m.role == "assistant")
      p.marker("<｜Assistant｜>").text(after_thoughts(m.content)).marker("<｜end▁of▁sentence｜>");
  }
  p.marker("<｜Assistant｜>");
  // <think> is text here: in some vocabularies it is a token that is not special, and matches.
  return opens_think ? p.text("<think>\n") : p;
}

Prompt chatml(const std::vector<ChatMessage>& messages, std::string_view default_system, bool bos,
              bool cuts_thoughts, bool opens_think) {
  Prompt p;
  if (bos) p.bos();
  const auto add = [&p](std::string_view role, std::string_view content) {
    p.marker("<|im_start|>").text(std::string(role) + "\n" + std::string(content));
    p.marker("<|im_end|>").text("\n");
  };
  const bool has_system = !messages.empty() && messages[0].role == "system";
  if (!has_system && !default_system.empty()) add("system", default_system);
  for (const ChatMessage& m : messages) {
    const bool cut = cuts_thoughts && m.role == "assistant";
    add(m.role, cut ? without_leading_newlines(after_thoughts(m.content)) : m.content);
  }
  return p.marker("<|im_start|>").text(opens_think ? "assistant\n<think>\n" : "assistant\n");
}

Prompt llama3(const std::vector<ChatMessage>& messages, std::string_view system_head) {
  Prompt p;
  const auto head = [&p](std::string_view role) {
    p.marker("<|start_header_id|>").text(role).marker("<|end_header_id|>");
  };
  p.marker("<|begin_of_text|>");
  const bool has_system = !messages.empty() && messages[0].role == "system";
  if (!system_head.empty()) {
    head("system");
    const std::string text = has_system ? stripped(messages[0].content) : "";
    p.text("\n\n" + std::string(system_head) + text).marker("<|eot_id|>");
  }
  for (std::size_t i = !system_head.empty() && has_system ? 1 : 0; i < messages.size(); ++i) {
    head(messages[i].role);
    p.text("\n\n" + stripped(messages[i].content)).marker("<|eot_id|>");
  }
  head("assistant");
  return p.text("\n\n");
}

std::string llama2_answer(std::string_view content) { return " " + stripped(content) + " "; }
std::string mistral_answer(std::string_view content, const MistralForm& form) {
  return (form.spaced_answer ? " " : "") +
         (form.strips_answer ? stripped(content) : std::string(content));
}

// Llama 2: BOS before each question, and the system text inside the first one.
Prompt inst_llama2(const std::vector<ChatMessage>& messages) {
  Prompt p;
  std::string system = system_of(messages, "");
  if (!system.empty()) system = "<<SYS>>\n" + system + "\n<</SYS>>\n\n";
  for (const ChatMessage& m : messages) {
    if (m.role == "user") {
      p.marker("<s>").new_text("[INST] " + stripped(system + m.content) + " [/INST]");
      system.clear();
    }
    if (m.role == "assistant") p.text(llama2_answer(m.content)).marker("</s>");
  }
  return p;
}

// Mistral: one BOS. The later templates have tokens for [INST]. Those without one for the system
// text say that it stands in the first question, or put it before the last message, or lose it
// where that is an answer; mistral-common puts it before the last question, and so do we, in the
// earlier form too.
Prompt inst_mistral(const std::vector<ChatMessage>& messages, const MistralForm& form) {
  Prompt p;
  p.marker("<s>");
  const std::string space = form.spaced ? " " : "";
  const std::string system = form.system_markers ? "" : system_of(messages, "");
  const auto is_user = [](const ChatMessage& m) { return m.role == "user"; };
  const auto first = std::find_if(messages.begin(), messages.end(), is_user);
  const auto last = std::find_if(messages.rbegin(), messages.rend(), is_user);
  for (const ChatMessage& m : messages) {
    const bool asks = first != messages.end() && &m == (form.system_first ? &*first : &*last);
    const bool here = asks && !system.empty();
    const std::string content = (here ? system + "\n\n" : "") + m.content;
    if (m.role == "system" && form.system_markers)
      p.marker("[SYSTEM_PROMPT]").text(space + content).marker("[/SYSTEM_PROMPT]");
    if (m.role == "user" && form.markers)
      p.marker("[INST]").text(space + content).marker("[/INST]");
    else if (m.role == "user")
      p.new_text("[INST] " + content + " [/INST]");
    if (m.role == "assistant") p.text(mistral_answer(m.content, form)).marker("</s>");
  }
  return p;
}

Prompt deepseek_coder(const std::vector<ChatMessage>& messages, std::string_view default_system) {
  Prompt p;
  p.marker("<｜begin▁of▁sentence｜>").text(system_of(messages, default_system));
  for (const ChatMessage& m : messages) {
    if (m.role == "user") p.text("### Instruction:\n" + m.content + "\n");
    if (m.role == "assistant")
      p.text("### Response:\n" + m.content + "\n").marker("<|EOT|>").text("\n");
  }
  return p.text("### Response:\n");
}

// The lines that Llama 3.1 and later put before every system text. Their date is a literal of the
// template: nothing here reads a clock.
std::string llama3_system_head(std::string_view source) {
  const std::string knowledge = literal_between(source, "Cutting Knowledge Date: ", "\\n");
  if (knowledge.empty()) return {};
  const std::string today = literal_between(source, "date_string = \"", "\"");
  return "Cutting Knowledge Date: " + knowledge + "\nToday Date: " + today + "\n\n";
}

// Of several templates with names, the one that transformers takes where none is asked for.
const Json* default_of(const Json& templates) {
  for (const Json& named : templates.array("chat_template")) {
    const Json* name = named.find("name");
    if (name != nullptr && name->is_string() && name->string("chat_template") == "default")
      return named.find("template");
  }
  return nullptr;
}

}  // namespace

ChatTemplate ChatTemplate::recognise(std::string_view text) {
  if (text.size() > kLongestTemplate)
    fail(ErrorKind::limit, "the chat template has {} bytes; at most {} are read", text.size(),
         kLongestTemplate);
  std::string source(text);
  replace_all(source, "\n", "\\n");  // in a literal it may stand either way
  const auto has = [&source](std::string_view what) {
    return source.find(what) != std::string::npos;
  };
  ChatTemplate t;
  if (has("<｜User｜>") && has("<｜Assistant｜>")) {
    t.form_ = Form::deepseek_r1;
    t.joins_systems_ = has("is_first_sp");
    t.opens_think_ = has("<｜Assistant｜><think>");
  } else if (has("<|im_start|>")) {
    t.form_ = Form::chatml;
    t.default_system_ = literal_between(source, "<|im_start|>system\\n", "<|im_end|>");
    t.writes_bos_ = has("bos_token");
    t.cuts_thoughts_ = has("</think>");
    t.opens_think_ =
        has("<|im_start|>assistant\\n<think>\\n'") || has("<|im_start|>assistant\\n<think>\\n\"");
  } else if (has("<|start_header_id|>")) {
    t.form_ = Form::llama3;
    t.system_head_ = llama3_system_head(source);
  } else if (has("### Instruction:") && has("<|EOT|>")) {
    t.form_ = Form::deepseek_coder;
    if (const std::string you_are = literal_between(source, "'You are ", "\\n'"); !you_are.empty())
      t.default_system_ = "You are " + you_are + "\n";
  } else if (has("[INST]")) {
    t.form_ = Form::inst;
    t.has_sys_marks_ = has("<<SYS>>");
    t.mistral_ = {.markers = !has(" [/INST]"),
                  .system_markers = has("[SYSTEM_PROMPT]"),
                  .spaced = has("[INST] "),
                  .spaced_answer = has("\" \" + message") || has("' ' + message"),
                  .strips_answer = has("|trim") || has("| trim") || has(".strip()"),
                  .system_first = has("loop.first and system_message")};
  } else {
    fail(ErrorKind::model, "the chat template is of no known form; it begins {}",
         escaped(text.substr(0, 60)));
  }
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

Thoughts ChatTemplate::thoughts() const {
  if (opens_think_) return Thoughts::open;
  return form_ == Form::deepseek_r1 || cuts_thoughts_ ? Thoughts::may : Thoughts::none;
}

std::vector<PromptPart> ChatTemplate::render(const std::vector<ChatMessage>& messages) const {
  switch (form_) {
    case Form::deepseek_r1:
      return deepseek_r1(messages, joins_systems_, opens_think_).parts;
    case Form::chatml:
      return chatml(messages, default_system_, writes_bos_, cuts_thoughts_, opens_think_).parts;
    case Form::llama3:
      return llama3(messages, system_head_).parts;
    case Form::inst:
      return (has_sys_marks_ ? inst_llama2(messages) : inst_mistral(messages, mistral_)).parts;
    case Form::deepseek_coder:
      return deepseek_coder(messages, default_system_).parts;
  }
  return {};
}

std::vector<PromptPart> ChatTemplate::render_with_answer(const std::vector<ChatMessage>& messages,
                                                         std::string_view answer) const {
  Prompt p{render(messages)};
  switch (form_) {
    case Form::deepseek_r1:
      p.text(with_thoughts(answer, opens_think_)).marker("<｜end▁of▁sentence｜>");
      break;
    case Form::chatml:
      p.text(cuts_thoughts_ ? with_thoughts(answer, opens_think_) : std::string(answer));
      p.marker("<|im_end|>");
      break;
    case Form::llama3:
      p.text(stripped(answer)).marker("<|eot_id|>");
      break;
    case Form::inst:
      p.text(has_sys_marks_ ? llama2_answer(answer) : mistral_answer(answer, mistral_));
      p.marker("</s>");
      break;
    case Form::deepseek_coder:
      p.text(answer).text("\n").marker("<|EOT|>");
      break;
  }
  return p.parts;
}

std::string read_chat_template(const ModelFiles& files) {
  if (files.is_gguf()) return std::string(files.gguf().string(kChatTemplateKey).value_or(""));
  const std::filesystem::path alone = files.side_path(kChatTemplateFile);
  if (is_there(alone)) return read_file(alone, 1 << 20);
  const Json config = files.side_file("tokenizer_config.json");
  const Json* source = config.find("chat_template");
  if (source != nullptr && source->is_array()) source = default_of(*source);
  return source != nullptr && source->is_string() ? source->string("chat_template") : std::string();
}

ThoughtAndAnswer split_reasoning(std::string_view output) {
  const std::size_t end = output.find(kEndOfThought);
  std::string_view reasoning = output.substr(0, end);
  if (reasoning.starts_with(kBeginOfThought))
    reasoning = without_leading_newlines(reasoning.substr(kBeginOfThought.size()));
  if (end == std::string_view::npos) return {std::string(reasoning), {}, false};
  return {std::string(reasoning),
          std::string(without_leading_newlines(output.substr(end + kEndOfThought.size()))), true};
}

}  // namespace r1
