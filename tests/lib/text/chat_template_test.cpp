// Prompts as each family's own template writes them, worked out by hand from the templates.
#include "lib/text/chat_template.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/support/fails.h"

namespace r1 {
namespace {

using Messages = std::vector<ChatMessage>;
const Messages kTalk = {
    {"user", "One?"}, {"assistant", "<think>\nHm.\n</think>\n\n1."}, {"user", " Two? "}};

// A prompt as one text; markers stand in ⟦ ⟧, so that text which only looks like one is seen, and ▁
// before a text of its own that stands behind something.
std::string shown(const std::vector<PromptPart>& parts) {
  using Kind = PromptPart::Kind;
  std::string out;
  for (const PromptPart& part : parts) {
    if (part.kind == Kind::text) out += "▁";
    out += part.kind == Kind::bos      ? "⟦⟧"
           : part.kind == Kind::marker ? "⟦" + part.text + "⟧"
                                       : part.text;
  }
  return out;
}
std::string shown(std::string_view source, const Messages& messages) {
  return shown(ChatTemplate::recognise(source).render(messages));
}
// What is written behind the prompt of "a" when this is answered.
std::string answered(std::string_view source, std::string_view answer) {
  const Messages question = {{"user", "a"}};
  const std::string prompt = shown(source, question);
  const std::string all =
      shown(ChatTemplate::recognise(source).render_with_answer(question, answer));
  return all.starts_with(prompt) ? all.substr(prompt.size()) : "not a prompt's: " + all;
}

Messages with_system(Messages messages) {
  messages.insert(messages.begin(), {"system", "Be brief."});
  return messages;
}

TEST(ChatTemplate, OfDeepSeekR1DropsEarlierThoughtsAndOpensThink) {
  const std::string source = "'<｜User｜>' + content '<｜Assistant｜><think>\\n'";
  EXPECT_EQ(shown(source, with_system(kTalk)),
            "⟦<｜begin▁of▁sentence｜>⟧Be brief.⟦<｜User｜>⟧One?⟦<｜Assistant｜>⟧\n\n1."
            "⟦<｜end▁of▁sentence｜>⟧⟦<｜User｜>⟧ Two? ⟦<｜Assistant｜>⟧<think>\n");
  EXPECT_EQ(ChatTemplate::recognise(source).thoughts(), Thoughts::open);
}

TEST(ChatTemplate, OfDeepSeekR1OpensThinkOnlyIfItsSourceDoes) {
  EXPECT_EQ(shown("'<｜User｜>' '<｜Assistant｜>'", {{"user", "a"}}),
            "⟦<｜begin▁of▁sentence｜>⟧⟦<｜User｜>⟧a⟦<｜Assistant｜>⟧");
  EXPECT_EQ(ChatTemplate::recognise("<｜User｜><｜Assistant｜>").thoughts(), Thoughts::may);
}

TEST(ChatTemplate, OfDeepSeekR1TakesTheLastOfSeveralSystemTexts) {
  EXPECT_EQ(shown("<｜User｜><｜Assistant｜>", {{"system", "x"}, {"user", "a"}, {"system", "y"}}),
            "⟦<｜begin▁of▁sentence｜>⟧y⟦<｜User｜>⟧a⟦<｜Assistant｜>⟧");
  // Later ones say how the first differs from the others.
  EXPECT_EQ(shown("is_first_sp <｜User｜><｜Assistant｜>",
                  {{"system", "x"}, {"user", "a"}, {"system", "y"}}),
            "⟦<｜begin▁of▁sentence｜>⟧x\n\ny⟦<｜User｜>⟧a⟦<｜Assistant｜>⟧");
}

TEST(ChatTemplate, ChatmlBeginsWithTheSystemTextOfItsSource) {
  const std::string source =
      "{{'<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n'}}"
      "{{'<|im_start|>system\\nYou help.<|im_end|>\\n'}}{{'<|im_start|>' + role}}";
  EXPECT_EQ(shown(source, {{"user", "a"}}),
            "⟦<|im_start|>⟧system\nYou help.⟦<|im_end|>⟧\n"
            "⟦<|im_start|>⟧user\na⟦<|im_end|>⟧\n⟦<|im_start|>⟧assistant\n");
  EXPECT_EQ(shown(source, {{"system", "b"}, {"user", "a"}}),
            "⟦<|im_start|>⟧system\nb⟦<|im_end|>⟧\n"
            "⟦<|im_start|>⟧user\na⟦<|im_end|>⟧\n⟦<|im_start|>⟧assistant\n");
}

TEST(ChatTemplate, ChatmlKeepsEarlierThoughtsUnlessItsSourceCutsThem) {
  EXPECT_EQ(shown("<|im_start|>", {{"assistant", "<think>x</think>\n\n1."}}),
            "⟦<|im_start|>⟧assistant\n<think>x</think>\n\n1.⟦<|im_end|>⟧\n"
            "⟦<|im_start|>⟧assistant\n");
  EXPECT_EQ(ChatTemplate::recognise("<|im_start|>").thoughts(), Thoughts::none);
  EXPECT_EQ(
      shown("<|im_start|> content.split('</think>')", {{"assistant", "<think>x</think>\n\n1."}}),
      "⟦<|im_start|>⟧assistant\n1.⟦<|im_end|>⟧\n⟦<|im_start|>⟧assistant\n");
  EXPECT_EQ(ChatTemplate::recognise("<|im_start|> '</think>'").thoughts(), Thoughts::may);
}

TEST(ChatTemplate, ChatmlOpensThinkWhereItsSourceDoes) {
  const std::string past = "content.split('</think>') '\\n<think>\\n' + thoughts ";
  const std::string opens = past + "{{- '<|im_start|>assistant\\n<think>\\n' }}";
  EXPECT_EQ(shown(opens, {{"user", "a"}}),
            "⟦<|im_start|>⟧user\na⟦<|im_end|>⟧\n⟦<|im_start|>⟧assistant\n<think>\n");
  EXPECT_EQ(ChatTemplate::recognise(opens).thoughts(), Thoughts::open);
  EXPECT_EQ(answered(opens, "b"), "</think>\n\nb⟦<|im_end|>⟧");
  // Qwen3's, which writes an empty one where thoughts are not wanted.
  const std::string leaves =
      past + "{{- '<|im_start|>assistant\\n' }} {{- '<think>\\n\\n</think>\\n\\n' }}";
  EXPECT_EQ(ChatTemplate::recognise(leaves).thoughts(), Thoughts::may);
}

TEST(ChatTemplate, ChatmlBeginsWithBosWhereItsSourceDoes) {
  EXPECT_EQ(shown("{{bos_token}}{{'<|im_start|>' + role}}", {{"user", "a"}}),
            "⟦⟧⟦<|im_start|>⟧user\na⟦<|im_end|>⟧\n⟦<|im_start|>⟧assistant\n");
}

TEST(ChatTemplate, ANewlineOfALiteralStandsThereEitherWay) {
  const Messages asked = {{"user", "a"}};
  for (const std::string newline : {"\n", "\\n"}) {
    EXPECT_TRUE(shown("{{ '<|im_start|>system" + newline + "You" + newline + "help.<|im_end|>" +
                          newline + "' }}",
                      asked)
                    .starts_with("⟦<|im_start|>⟧system\nYou\nhelp.⟦<|im_end|>⟧\n"));
    EXPECT_TRUE(shown("'You are an AI." + newline + "' '### Instruction:' '<|EOT|>'", asked)
                    .starts_with("⟦<｜begin▁of▁sentence｜>⟧You are an AI.\n###"));
  }
}

TEST(ChatTemplate, OfLlama3StripsEachContent) {
  EXPECT_EQ(
      shown("'<|start_header_id|>'", with_system({{"user", " a\n"}})),
      "⟦<|begin_of_text|>⟧⟦<|start_header_id|>⟧system⟦<|end_header_id|>⟧\n\nBe brief.⟦<|eot_id|>⟧"
      "⟦<|start_header_id|>⟧user⟦<|end_header_id|>⟧\n\na⟦<|eot_id|>⟧"
      "⟦<|start_header_id|>⟧assistant⟦<|end_header_id|>⟧\n\n");
}

TEST(ChatTemplate, OfLlama31HasASystemTextAlways) {
  const std::string source =
      "<|start_header_id|> date_string = \"26 Jul 2024\" \"Cutting Knowledge Date: December "
      "2023\\n\"";
  const std::string head =
      "⟦<|begin_of_text|>⟧⟦<|start_header_id|>⟧system⟦<|end_header_id|>⟧\n\n"
      "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";
  const std::string tail =
      "⟦<|eot_id|>⟧⟦<|start_header_id|>⟧user⟦<|end_header_id|>⟧\n\na⟦<|eot_id|>⟧"
      "⟦<|start_header_id|>⟧assistant⟦<|end_header_id|>⟧\n\n";
  EXPECT_EQ(shown(source, {{"user", "a"}}), head + tail);
  EXPECT_EQ(shown(source, with_system({{"user", "a"}})), head + "Be brief." + tail);
}

// Each turn of Llama 2 is a text of its own.
TEST(ChatTemplate, OfLlama2HasTheSystemTextInTheFirstQuestion) {
  EXPECT_EQ(shown("[INST] <<SYS>> [/INST]",
                  with_system({{"user", "a "}, {"assistant", "b"}, {"user", "c"}})),
            "⟦<s>⟧▁[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\na [/INST] b ⟦</s>⟧"
            "⟦<s>⟧▁[INST] c [/INST]");
}

// As they stand in the templates of Mistral 7B v0.1 and v0.3, Nemo, and Mistral Large 2411.
const std::string kMistral1 = R"('[INST] ' + message['content'] + ' [/INST]')",
                  kMistral3 = R"("[INST] " + message["content"] + "[/INST]" )"
                              R"(" " + message["content"]|trim + eos_token)",
                  kNemo = R"("[INST]" + message["content"] + "[/INST]" )"
                          R"(message["content"] + eos_token)",
                  kMistral7 = R"("[INST] " + message["content"] + "[/INST]" )"
                              R"("[SYSTEM_PROMPT] " + message["content"] + "[/SYSTEM_PROMPT]" )"
                              R"(" " + message["content"] + eos_token)";

TEST(ChatTemplate, OfMistralHasOneBosAndItsMarkersAreTokensOnlyInTheLaterForms) {
  const Messages talk = {{"user", "a"}, {"assistant", "b "}, {"user", "c"}};
  EXPECT_EQ(shown(kMistral1, talk), "⟦<s>⟧▁[INST] a [/INST]b ⟦</s>⟧▁[INST] c [/INST]");
  EXPECT_EQ(shown(kMistral3, talk), "⟦<s>⟧⟦[INST]⟧ a⟦[/INST]⟧ b⟦</s>⟧⟦[INST]⟧ c⟦[/INST]⟧");
  EXPECT_EQ(shown(kNemo, talk), "⟦<s>⟧⟦[INST]⟧a⟦[/INST]⟧b ⟦</s>⟧⟦[INST]⟧c⟦[/INST]⟧");
}

TEST(ChatTemplate, OfMistralHasTheSystemTextInTheLastQuestionAlsoBeforeAnAnswer) {
  const Messages talk = {{"system", "s"}, {"user", "a"}, {"assistant", "b"}};
  EXPECT_EQ(shown(kMistral3, talk), "⟦<s>⟧⟦[INST]⟧ s\n\na⟦[/INST]⟧ b⟦</s>⟧");
  EXPECT_EQ(shown(kMistral1, talk), "⟦<s>⟧▁[INST] s\n\na [/INST]b⟦</s>⟧");
  EXPECT_EQ(shown(kMistral3, {talk[0], talk[1], talk[2], {"user", "c"}}),
            "⟦<s>⟧⟦[INST]⟧ a⟦[/INST]⟧ b⟦</s>⟧⟦[INST]⟧ s\n\nc⟦[/INST]⟧");
  EXPECT_EQ(shown(kMistral3, {talk[0], {"user", "a"}, {"user", "a"}}),
            "⟦<s>⟧⟦[INST]⟧ a⟦[/INST]⟧⟦[INST]⟧ s\n\na⟦[/INST]⟧");
}

// The present template of Mistral 7B v0.1 and v0.2.
TEST(ChatTemplate, OfMistralMaySayThatTheSystemTextStandsInTheFirstQuestion) {
  EXPECT_EQ(shown("loop.first and system_message ' [INST] ' ' [/INST]' ' ' + message['content'] + "
                  "eos_token",
                  {{"system", "s"}, {"user", "a"}, {"assistant", " b "}, {"user", "c"}}),
            "⟦<s>⟧▁[INST] s\n\na [/INST]  b ⟦</s>⟧▁[INST] c [/INST]");
}

TEST(ChatTemplate, OfMistralHasTheSystemTextBetweenItsOwnMarkersWhereThereAreSome) {
  EXPECT_EQ(shown(kMistral7, {{"system", "s"}, {"user", "a"}, {"assistant", "b"}, {"user", "c"}}),
            "⟦<s>⟧⟦[SYSTEM_PROMPT]⟧ s⟦[/SYSTEM_PROMPT]⟧⟦[INST]⟧ a⟦[/INST]⟧ b⟦</s>⟧"
            "⟦[INST]⟧ c⟦[/INST]⟧");
  EXPECT_FALSE(ChatTemplate::recognise(kMistral7).needs_user());
}

TEST(ChatTemplate, OfDeepSeekCoderSaysItsOwnSystemTextUnlessThereIsOne) {
  const std::string source =
      "{{'You are an AI.\\n'}} '### Instruction:\\n' '### Response:\\n' '\\n<|EOT|>\\n'";
  EXPECT_EQ(shown(source, {{"user", "a"}, {"assistant", "b"}, {"user", "c"}}),
            "⟦<｜begin▁of▁sentence｜>⟧You are an AI.\n### Instruction:\na\n### Response:\nb\n"
            "⟦<|EOT|>⟧\n### Instruction:\nc\n### Response:\n");
  EXPECT_EQ(shown(source, with_system({{"user", "a"}})),
            "⟦<｜begin▁of▁sentence｜>⟧Be brief.### Instruction:\na\n### Response:\n");
}

TEST(ChatTemplate, EndsAnAnswerWithTheMarkerOfItsForm) {
  EXPECT_EQ(answered("<|im_start|>", " b\n"), " b\n⟦<|im_end|>⟧");
  EXPECT_EQ(answered("<|start_header_id|>", " b\n"), "b⟦<|eot_id|>⟧");
  EXPECT_EQ(answered("[INST] <<SYS>> [/INST]", " b\n"), " b ⟦</s>⟧");
  EXPECT_EQ(answered(kMistral1, "b"), "b⟦</s>⟧");
  EXPECT_EQ(answered(kMistral3, "b "), " b⟦</s>⟧");
  EXPECT_EQ(answered("### Instruction: <|EOT|>", "b"), "b\n⟦<|EOT|>⟧");
}

TEST(ChatTemplate, WritesAnAnswerAsItStandsInAConversation) {
  for (const std::string& source :
       {std::string("<|im_start|>"), std::string("<|start_header_id|>"),
        std::string("[INST] <<SYS>> [/INST]"), std::string("### Instruction: <|EOT|>"), kMistral1,
        kMistral3, kNemo, kMistral7}) {
    Messages talk = {{"user", "a"}};
    const std::string all = shown(ChatTemplate::recognise(source).render_with_answer(talk, " b\n"));
    talk.insert(talk.end(), {{"assistant", " b\n"}, {"user", "c"}});
    EXPECT_TRUE(shown(source, talk).starts_with(all)) << source << "\n" << shown(source, talk);
  }
}

TEST(ChatTemplate, OfModelsThatReasonBeginsAnAnswerWithItsThoughts) {
  const std::string thought = "<think>\nHm.\n</think>\n\nb", plain = "\nb";
  const std::string opens = "<｜User｜> <｜Assistant｜><think>",
                    leaves = "<｜User｜> <｜Assistant｜>";
  const std::string end = "⟦<｜end▁of▁sentence｜>⟧";
  EXPECT_EQ(answered(opens, thought), "Hm.\n</think>\n\nb" + end);
  EXPECT_EQ(answered(opens, plain), "</think>\n\nb" + end);
  EXPECT_EQ(answered(leaves, thought), thought + end);
  EXPECT_EQ(answered(leaves, plain), "<think>\n\n</think>\n\nb" + end);
  EXPECT_EQ(answered("<|im_start|> </think>", thought), thought + "⟦<|im_end|>⟧");
  EXPECT_EQ(answered("<|im_start|> </think>", plain), "<think>\n\n</think>\n\nb⟦<|im_end|>⟧");
}

TEST(ChatTemplate, JoinsTextsThatMeet) {
  const auto parts =
      ChatTemplate::recognise("### Instruction: <|EOT|>").render_with_answer({{"user", "a"}}, "b");
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[1].text, "### Instruction:\na\n### Response:\nb\n");
}

TEST(ChatTemplate, OfNoKnownFormIsRefusedWithWhatItSays) {
  EXPECT_FAILS(ErrorKind::model, "no known form; it begins Human: {{ x",
               ChatTemplate::recognise("Human: {{ x }}"));
  EXPECT_FAILS(ErrorKind::model, "begins \\x1b[31m", ChatTemplate::recognise("\x1b[31m"));
  EXPECT_FAILS(ErrorKind::limit, "262145 bytes",
               ChatTemplate::recognise(std::string(262'145, 'x')));
}

TEST(SplitReasoning, CutsAtTheFirstEndOfThought) {
  const ThoughtAndAnswer a = split_reasoning("Let me see.\n</think>\n\nIt is </think> 4.");
  EXPECT_EQ(a.reasoning, "Let me see.\n");
  EXPECT_EQ(a.answer, "It is </think> 4.");
  EXPECT_TRUE(a.complete);
}

TEST(SplitReasoning, TakesAnOpeningThinkAway) {
  EXPECT_EQ(split_reasoning("<think>\nHm.</think>x").reasoning, "Hm.");
  EXPECT_EQ(split_reasoning("<think>\nHm").reasoning, "Hm");
}

TEST(SplitReasoning, WithoutAnEndThereIsNoAnswer) {
  const ThoughtAndAnswer a = split_reasoning("still thinking");
  EXPECT_EQ(a.reasoning, "still thinking");
  EXPECT_EQ(a.answer, "");
  EXPECT_FALSE(a.complete);
}

}  // namespace
}  // namespace r1
