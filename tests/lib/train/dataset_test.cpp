// Texts as tokens with a loss mask.
#include "lib/train/dataset.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "lib/base/utf8.h"
#include "tests/support/dataset_scene.h"

namespace r1 {
namespace {

using test::ByteTokenizer;
using test::kTwoAnswers;
using test::Lines;
using test::qwen_tokenizer;
using test::r1_tokenizer;
using test::Scene;
using test::Shown;
using test::text_line;

// Bytes, but two newlines are one token, as in the vocabularies of chat models.
class NewlinePairs : public ByteTokenizer {
 public:
  using ByteTokenizer::ByteTokenizer;
  std::vector<TokenId> encode_continued(std::string_view text) const override {
    std::vector<TokenId> ids;
    for (const TokenId id : ByteTokenizer::encode_continued(text)) {
      const bool pair = id == '\n' && !ids.empty() && ids.back() == '\n';
      if (pair) ids.pop_back();
      ids.push_back(pair ? kPair : id);
    }
    return ids;
  }
  std::string_view bytes(TokenId id) const override {
    return id == kPair ? "\n\n" : ByteTokenizer::bytes(id);
  }

 private:
  static constexpr TokenId kPair = 0;  // no text of a test has the byte 0
};

TEST(Dataset, LearnsAllOfATextFromBosToEos) {
  Scene scene;
  const Dataset data = scene.read({R"({"text":"ab"})"});
  ASSERT_EQ(data.samples.size(), 1u);
  EXPECT_EQ(data.samples[0].ids, (std::vector<TokenId>{256, 'a', 'b', 257}));
  EXPECT_EQ(data.samples[0].trained, (std::vector<std::uint8_t>{0, 1, 1, 1}));
  EXPECT_EQ(data.lines, 1);
  EXPECT_EQ(data.tokens, 4);
  EXPECT_EQ(data.trained, 3);
}

TEST(Dataset, BeginsATextWithBosOnlyWhereTheVocabularySaysSo) {
  Scene scene;
  scene.own.set_bos("<s>", false);
  EXPECT_EQ(scene.shown({R"({"text":"ab"})"}), (Shown{"⟦a⟧b</s>"}));  // nothing stands before "a"
}

TEST(Dataset, TakesMarkersInATextForText) {
  Scene scene;
  const Dataset data = scene.read({R"({"text":"<s></s>"})"});
  EXPECT_EQ(data.tokens, 2 + 7);
  EXPECT_EQ(std::count(data.samples[0].ids.begin(), data.samples[0].ids.end(), 256), 1);
  EXPECT_EQ(std::count(data.samples[0].ids.begin(), data.samples[0].ids.end(), 257), 1);
}

TEST(Dataset, LearnsACompletionAndEosAndThePromptOnlyWhenAsked) {
  Scene scene;
  const Lines lines = {R"({"prompt":"1+1=","completion":"2"})", R"({"prompt":"","completion":"2"})",
                       R"({"prompt":"1","completion":""})"};
  EXPECT_EQ(scene.shown(lines), (Shown{"⟦<s>1+1=⟧2</s>", "⟦<s>⟧2</s>", "⟦<s>1⟧</s>"}));
  scene.options.mask_prompt = false;
  EXPECT_EQ(scene.shown(lines), (Shown{"⟦<s>⟧1+1=2</s>", "⟦<s>⟧2</s>", "⟦<s>⟧1</s>"}));
}

TEST(Dataset, GivesATokenAcrossTheBorderToThePrompt) {
  Scene scene;
  const NewlinePairs pairs = r1_tokenizer<NewlinePairs>();
  scene.tokenizer = &pairs;
  EXPECT_EQ(scene.shown({R"({"prompt":"q\n","completion":"\na"})",
                         R"({"prompt":"q\n","completion":"\n\na"})",
                         R"({"prompt":"q\n","completion":"a"})"}),
            (Shown{"⟦<s>q\n\n⟧a</s>", "⟦<s>q\n\n⟧\na</s>", "⟦<s>q\n⟧a</s>"}));
  EXPECT_EQ(scene.shown({R"({"messages":[{"role":"user","content":"q"},)"
                         R"({"role":"assistant","content":"\na"}]})"}),
            (Shown{"⟦<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n\n⟧a<|im_end|>"}));
}

TEST(Dataset, GivesATokenAcrossTheBorderOfAShippedVocabularyToThePrompt) {
  Scene scene;
  const std::filesystem::path root = R1_SOURCE_DIR;
  const auto tokenizer =
      load_tokenizer(ModelFiles::open(root / "models/r1-plus-mini.gguf"), root / "share");
  scene.tokenizer = tokenizer.get();
  ASSERT_EQ(tokenizer->encode("print").size(), 1u);
  EXPECT_EQ(scene.shown({R"({"prompt":"x = 1\npri","completion":"nt x"})"}),
            (Shown{"⟦<s>x = 1\nprint⟧ x</s>"}));
}

TEST(Dataset, LearnsEveryAnswerOfAConversationAndWhatEndsIt) {
  Scene scene;
  EXPECT_EQ(scene.shown({kTwoAnswers}),
            (Shown{"⟦<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nq<|im_end|>\n"
                   "<|im_start|>assistant\n⟧a<|im_end|>⟦\n<|im_start|>user\nr<|im_end|>\n"
                   "<|im_start|>assistant\n⟧b<|im_end|>"}));
  scene.options.mask_prompt = false;
  const Dataset data = scene.read({kTwoAnswers});
  EXPECT_EQ(data.trained, data.tokens - 1);
}

TEST(Dataset, MasksTheQuestionsOfEveryForm) {
  Scene scene;
  scene.own =
      ByteTokenizer({"<s>", "</s>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
                     "<|eot_id|>", "<｜begin▁of▁sentence｜>", "<|EOT|>", "[INST]", "[/INST]"});
  scene.own.set_bos("<s>", true);  // each form writes its own
  const std::string line =
      R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"},)"
      R"({"role":"user","content":"r"},{"role":"assistant","content":"b"}]})";
  const auto shown = [&](std::string_view source) {
    const auto chat = ChatTemplate::recognise(source);
    scene.chat = &chat;
    return scene.shown({line});
  };
  const std::string answer = "<|start_header_id|>assistant<|end_header_id|>\n\n",
                    user = "<|start_header_id|>user<|end_header_id|>\n\n";
  EXPECT_EQ(shown("<|start_header_id|>"),
            (Shown{"⟦<|begin_of_text|>" + user + "q<|eot_id|>" + answer + "⟧a<|eot_id|>⟦" + user +
                   "r<|eot_id|>" + answer + "⟧b<|eot_id|>"}));
  EXPECT_EQ(shown("[INST] <<SYS>> [/INST]"),
            (Shown{"⟦<s>[INST] q [/INST]⟧ a </s>⟦<s>[INST] r [/INST]⟧ b </s>"}));
  EXPECT_EQ(shown("'[INST] ' ' [/INST]'"),
            (Shown{"⟦<s>[INST] q [/INST]⟧a</s>⟦[INST] r [/INST]⟧b</s>"}));
  EXPECT_EQ(shown("'[INST] ' '[/INST]' ' ' + message"),
            (Shown{"⟦<s>[INST] q[/INST]⟧ a</s>⟦[INST] r[/INST]⟧ b</s>"}));
  EXPECT_EQ(shown("### Instruction: <|EOT|>"),
            (Shown{"⟦<｜begin▁of▁sentence｜>### Instruction:\nq\n### Response:\n⟧a\n<|EOT|>⟦\n"
                   "### Instruction:\nr\n### Response:\n⟧b\n<|EOT|>"}));
}

TEST(Dataset, MakesASampleOfEachAnswerWhereTheSystemTextMovesOn) {
  Scene scene;
  const auto mistral = ChatTemplate::recognise("'[INST] ' ' [/INST]'");
  scene.chat = &mistral;
  EXPECT_EQ(scene.shown({kTwoAnswers}), (Shown{"⟦<s>[INST] s\n\nq [/INST]⟧a</s>",
                                               "⟦<s>[INST] q [/INST]a</s>[INST] s\n\nr [/INST]⟧"
                                               "b</s>"}));
}

TEST(Dataset, MakesASampleOfEachAnswerWhereEarlierOnesLoseTheirThoughts) {
  Scene scene;
  const auto chat = ChatTemplate::recognise("'<｜User｜>' '<｜Assistant｜><think>\\n'");
  scene.chat = &chat;
  const std::string line =
      R"({"messages":[{"role":"user","content":"q"},)"
      R"({"role":"assistant","content":"<think>\nt\n</think>\n\na"},{"role":"user","content":"r"},)"
      R"({"role":"assistant","content":"b"}]})";
  const std::string bos = "<｜begin▁of▁sentence｜>", eos = "<｜end▁of▁sentence｜>",
                    user = "<｜User｜>", answer = "<｜Assistant｜>";
  EXPECT_EQ(scene.shown({line}),
            (Shown{"⟦" + bos + user + "q" + answer + "<think>\n⟧t\n</think>\n\na" + eos,
                   "⟦" + bos + user + "q" + answer + "\n\na" + eos + user + "r" + answer +
                       "<think>\n⟧</think>\n\nb" + eos}));
}

TEST(Dataset, LearnsAMiddleAndWhatEndsIt) {
  Scene scene;
  const Lines lines = {R"({"prefix":"P","suffix":"S","middle":"M"})"};
  EXPECT_EQ(scene.shown(lines), (Shown{"⟦<s><|fim_prefix|><|fim_suffix|>S<|fim_middle|>P⟧M</s>"}));
  scene.own = qwen_tokenizer();
  EXPECT_EQ(scene.shown(lines),
            (Shown{"⟦<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>⟧M<|endoftext|>"}));
}

TEST(Dataset, PutsASpaceOnlyBeforeWhatBeginsAText) {
  Scene scene;
  scene.own = r1_tokenizer(true);
  EXPECT_EQ(scene.shown({R"({"text":"ab"})"}), (Shown{"⟦<s>⟧ ab</s>"}));
  EXPECT_EQ(scene.shown({R"({"prefix":"P","suffix":"S","middle":"M"})"}),
            (Shown{"⟦<s><|fim_prefix|><|fim_suffix|>S<|fim_middle|> P⟧M</s>"}));
  const auto llama2 = ChatTemplate::recognise("[INST] <<SYS>> [/INST]");
  scene.chat = &llama2;
  EXPECT_EQ(scene.shown({R"({"messages":[{"role":"user","content":"q"},)"
                         R"({"role":"assistant","content":"a"},{"role":"user","content":"q"},)"
                         R"({"role":"assistant","content":"a"}]})"}),
            (Shown{"⟦<s> [INST] q [/INST]⟧ a </s>⟦<s> [INST] q [/INST]⟧ a </s>"}));
}

TEST(Dataset, LeavesOutWhatIsTooLongAndWhatHasNothingToLearn) {
  Scene scene;
  scene.options.max_length = 6;
  scene.options.too_long_text = TooLong::drop;
  const Dataset pairs =
      scene.read({R"({"prompt":"123","completion":"4"})", R"({"prompt":"123","completion":"45"})"});
  EXPECT_EQ(scene.shown(pairs), (Shown{"⟦<s>123⟧4</s>"}));
  EXPECT_EQ(pairs.lines, 2);
  EXPECT_EQ(pairs.too_long, 1);
  const Dataset texts = scene.read({text_line("1234"), text_line("12345"), text_line("")});
  EXPECT_EQ(scene.shown(texts), (Shown{"⟦<s>⟧1234</s>"}));
  EXPECT_EQ(texts.too_long, 1);
  EXPECT_EQ(texts.nothing_trained, 1);
  scene.options.max_length = 2048;
  const Dataset chats =
      scene.read({R"({"messages":[{"role":"user","content":"q"}]})", kTwoAnswers});
  EXPECT_EQ(chats.samples.size(), 1u);
  EXPECT_EQ(chats.nothing_trained, 1);
}

TEST(Dataset, CutsWhatIsTooLongWhenAsked) {
  Scene scene;
  scene.options.max_length = 5;
  scene.options.too_long = scene.options.too_long_text = TooLong::cut;
  const Dataset pairs = scene.read(
      {R"({"prompt":"12","completion":"345"})", R"({"prompt":"123456","completion":"7"})"});
  EXPECT_EQ(scene.shown(pairs), (Shown{"⟦<s>12⟧34"}));
  EXPECT_EQ(pairs.too_long, 0);
  EXPECT_EQ(pairs.nothing_trained, 1);
  EXPECT_EQ(scene.shown({text_line("123456789")}), (Shown{"⟦<s>⟧1234"}));
}

TEST(Dataset, CutsTheFarEndsAroundAGap) {
  Scene scene;
  scene.options.too_long = TooLong::cut;
  const Lines lines = {R"({"prefix":"12345678","suffix":"abcd","middle":"MN"})"};
  scene.options.max_length = 13;
  EXPECT_EQ(scene.shown(lines),
            (Shown{"⟦<s><|fim_prefix|><|fim_suffix|>ab<|fim_middle|>5678⟧MN</s>"}));
  scene.options.max_length = 7;
  EXPECT_EQ(scene.shown(lines), (Shown{"⟦<s><|fim_prefix|><|fim_suffix|><|fim_middle|>⟧MN</s>"}));
  scene.options.max_length = 6;
  EXPECT_EQ(scene.shown(lines), (Shown{"⟦<s><|fim_prefix|><|fim_suffix|><|fim_middle|>⟧MN"}));
}

TEST(Dataset, SplitsALongTextEachPieceFromBosOnAndTheLastToEos) {
  Scene scene;
  scene.options.max_length = 5;
  EXPECT_EQ(scene.shown({text_line("123456789")}), (Shown{"⟦<s>⟧1234", "⟦<s>⟧5678", "⟦<s>⟧9</s>"}));
  EXPECT_EQ(scene.shown({text_line("12345678")}), (Shown{"⟦<s>⟧1234", "⟦<s>⟧5678"}));
}

// A sample with its gap closed; the order goes to `order`.
std::string closed(const TrainingSample& sample, const ByteTokenizer& t, std::string& order) {
  std::string text = t.shown(sample.ids);
  const auto take = [&text](std::string_view until) {
    const std::size_t at = text.find(until);
    std::string part = text.substr(0, at);
    text.erase(0, at == std::string::npos ? at : at + until.size());
    return part;
  };
  take("⟦<|fim_prefix|>⟧");
  const std::string prefix = take("⟦<|fim_suffix|>⟧"), suffix = take("⟦<|fim_middle|>⟧");
  order = prefix.empty() ? "prefix last or empty" : "prefix first";
  return prefix + take("⟦</s>⟧") + suffix;
}

TEST(Dataset, OfBothOrdersClosesToTheTextAgain) {
  Scene scene;
  scene.options.fim_rate = 1;
  const std::string text = "def f(é):\n  return é\n\n# …\n";
  const Dataset data = scene.read(Lines(200, text_line(text)));
  std::map<std::string, int> orders;
  std::set<std::vector<TokenId>> different;
  for (const TrainingSample& sample : data.samples) {
    std::string order;
    EXPECT_EQ(closed(sample, scene.own, order), text);
    EXPECT_EQ(std::count(sample.trained.begin(), sample.trained.end(), 1),
              std::ssize(sample.ids) - 1);
    ++orders[order];
    different.insert(sample.ids);
    // Each part is whole characters.
    std::string part;
    for (const TokenId id : sample.ids) {
      if (!scene.own.is_marker(id)) {
        part += scene.own.bytes(id);
        continue;
      }
      EXPECT_TRUE(is_utf8(part)) << part;
      part.clear();
    }
  }
  EXPECT_GT(orders["prefix first"], 60);
  EXPECT_GT(orders["prefix last or empty"], 60);
  EXPECT_GT(different.size(), 80u);  // where the prefix is last, its end is not seen
}

TEST(Dataset, OfAVocabularyThatAddsASpaceAddsItOnce) {
  Scene scene;
  scene.own = r1_tokenizer(true);
  scene.options.fim_rate = 1;
  for (const std::string text : {"abc", " bc"})
    for (const TrainingSample& sample : scene.read(Lines(20, text_line(text))).samples) {
      std::string order;
      EXPECT_EQ(closed(sample, scene.own, order), " " + text);
    }
}

TEST(Dataset, OfAFamilyWithOneOrderHasThatOrder) {
  Scene scene;
  scene.own = qwen_tokenizer();
  scene.options.fim_rate = 1;
  int begins_with_the_gap = 0;
  for (const std::string& sample : scene.shown(Lines(200, text_line("one\ntwo\n")))) {
    EXPECT_TRUE(sample.starts_with("⟦<|fim_prefix|>⟧")) << sample;
    EXPECT_LT(sample.find("<|fim_suffix|>"), sample.find("<|fim_middle|>")) << sample;
    EXPECT_TRUE(sample.ends_with("<|endoftext|>")) << sample;
    begins_with_the_gap += sample.starts_with("⟦<|fim_prefix|>⟧<|fim_suffix|>");
  }
  EXPECT_LT(begins_with_the_gap, 60);  // one in six; of the other order all would
}

TEST(Dataset, MakesTheAskedShareOfTextsAndTheSameForTheSameSeed) {
  Scene scene;
  scene.options.fim_rate = 0.5;
  const Lines lines(1000, text_line("one two\nthree"));
  const auto ids = [&] {
    std::vector<std::vector<TokenId>> out;
    for (const TrainingSample& sample : scene.read(lines).samples) out.push_back(sample.ids);
    return out;
  };
  const auto first = ids();
  const TokenId prefix = *scene.own.find("<|fim_prefix|>");
  const auto gapped = std::count_if(first.begin(), first.end(), [prefix](const auto& sample) {
    return std::find(sample.begin(), sample.end(), prefix) != sample.end();
  });
  EXPECT_LE(std::abs(static_cast<double>(gapped) - 500), 4 * std::sqrt(1000 * 0.25));
  EXPECT_EQ(ids(), first);
  scene.options.seed = 1;
  EXPECT_NE(ids(), first);
}

TEST(Dataset, KeepsTheMiddleOfALongTextWhole) {
  Scene scene;
  scene.options.fim_rate = 1;
  scene.options.max_length = 40;
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>('a' + i % 26);
  const Dataset data = scene.read({text_line(text)});
  const TokenId middle = *scene.own.find("<|fim_middle|>"), eos = *scene.own.find("</s>");
  EXPECT_EQ(data.samples.size(), 26u);  // of 39 tokens behind BOS; none is dropped
  int gaps = 0;
  for (std::size_t i = 0; i < data.samples.size(); ++i) {
    const std::vector<TokenId>& ids = data.samples[i].ids;
    EXPECT_LE(ids.size(), 40u);
    if (std::find(ids.begin(), ids.end(), middle) == ids.end()) continue;
    ++gaps;
    EXPECT_EQ(ids.back(), eos);
    std::string order;
    const std::string piece = closed(data.samples[i], scene.own, order);
    EXPECT_NE(text.find(piece), std::string::npos) << piece;
  }
  EXPECT_GE(gaps, 15);
}

}  // namespace
}  // namespace r1
