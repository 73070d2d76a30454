// Files of samples: what is wrong with a line is named, and any number of threads reads the same.
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "lib/train/dataset.h"
#include "tests/support/dataset_scene.h"

namespace r1 {
namespace {

using test::ByteTokenizer;
using test::kTwoAnswers;
using test::Lines;
using test::Scene;
using test::Shown;
using test::text_line;

TEST(DatasetFiles, NamesTheLineAndWhatIsWrongWithIt) {
  Scene scene;
  const std::string good = R"({"messages":[{"role":"user","content":"q"},)"
                           R"({"role":"assistant","content":"a"}]})";
  const auto second = [&](const std::string& bad) { return scene.why({good, bad}); };
  const auto message = [&](const std::string& bad) {
    return scene.why({R"({"messages":[{"role":"user","content":"q"},)" + bad + "]}"});
  };
  EXPECT_EQ(second(R"({"messages":"x"})"), "E_USAGE: data.jsonl:2: \"messages\" is not a list");
  EXPECT_EQ(second(R"({"messages":[]})"), "E_USAGE: data.jsonl:2: \"messages\" is empty");
  EXPECT_EQ(second("[1]"),
            "E_USAGE: data.jsonl:2: a list begins here; one object a line is wanted");
  EXPECT_EQ(second("{}"),
            "E_USAGE: data.jsonl:2: has neither \"messages\" nor \"text\", \"prompt\" and "
            "\"completion\", or \"prefix\", \"suffix\" and \"middle\"");
  EXPECT_EQ(second(R"({"prompt":"x"})"), second("{}"));
  EXPECT_EQ(second(R"({"text":"x"})"),
            "E_USAGE: data.jsonl:2: has \"text\", and the lines before it have \"messages\"");
  EXPECT_EQ(message("1"), "E_USAGE: data.jsonl:1: message 2: there is no \"role\"");
  EXPECT_EQ(message(R"({"role":"user"})"),
            "E_USAGE: data.jsonl:1: message 2: there is no \"content\"");
  EXPECT_EQ(message(R"({"role":"user","content":null})"),
            "E_USAGE: data.jsonl:1: message 2: \"content\" is not a string");
  EXPECT_EQ(
      message(R"({"role":"tool\n","content":""})"),
      "E_USAGE: data.jsonl:1: message 2: the role tool\\n is none of system, user, assistant");
  EXPECT_EQ(scene.why({R"({"text":1})"}), "E_USAGE: data.jsonl:1: \"text\" is not a string");
  EXPECT_EQ(scene.why({R"({"prompt":"","completion":[]})"}),
            "E_USAGE: data.jsonl:1: \"completion\" is not a string");
  EXPECT_EQ(scene.why({R"({"prefix":"","middle":{},"suffix":""})"}),
            "E_USAGE: data.jsonl:1: \"middle\" is not a string");
  EXPECT_EQ(scene.why({R"({"prompt":"","chosen":"","rejected":""})"}),
            "E_USAGE: data.jsonl:1: has \"chosen\" and \"rejected\", which --objective dpo learns");
  EXPECT_EQ(scene.why({R"({"image":"a.png","text":""})"}),
            "E_USAGE: data.jsonl:1: images are not trained on yet");
  EXPECT_EQ(scene.read({R"({"image":null,"text":"x"})"}).samples.size(), 1u);
}

TEST(DatasetFiles, NamesALineThatIsNotJson) {
  Scene scene;
  const std::string good = text_line("x");
  for (const std::string bad : {"{", "{\"text\":\"\xFF\"}", "{\"text\":\"\x01\"}", "\xEF\xBB\xBF{}",
                                R"({"text":"a","text":"b"})", R"({"text":"\ud800"})"})
    EXPECT_TRUE(scene.why({good, "", bad}).starts_with("E_USAGE: data.jsonl:3: the line ")) << bad;
  EXPECT_FAILS(ErrorKind::usage, "data.jsonl:1: the line is not valid JSON",
               scene.read_bytes(std::string_view("{\"text\":\"\0\"}", 12)));
}

TEST(DatasetFiles, NamesWhatTheModelLacks) {
  Scene scene;
  scene.chat = nullptr;
  scene.fills_in = false;
  EXPECT_EQ(scene.why({kTwoAnswers}),
            "E_USAGE: data.jsonl:1: the model has no chat template of a known form; "
            "--chat-template FILE gives it one");
  EXPECT_EQ(scene.why({R"({"prefix":"","suffix":"","middle":""})"}),
            "E_USAGE: data.jsonl:1: the model has no tokens for a gap to fill in");
  scene.options.fim_rate = 1e-9;
  EXPECT_EQ(scene.why({text_line("x")}),
            "E_USAGE: data.jsonl:1: the model has no tokens for a gap to fill in");
  scene.own = ByteTokenizer({});
  scene.chat = &test::kChatml;
  scene.options.fim_rate = 0;
  EXPECT_EQ(scene.why({kTwoAnswers}), "E_MODEL: the vocabulary has no token <|im_start|>");
  EXPECT_EQ(scene.why({text_line("x")}), "E_MODEL: the vocabulary has no token that ends a text");
}

TEST(DatasetFiles, OfFilesWithoutASampleFails) {
  Scene scene;
  EXPECT_FAILS(ErrorKind::usage, "data.jsonl holds no sample", scene.read_bytes(""));
  EXPECT_FAILS(ErrorKind::usage, "data.jsonl holds no sample", scene.read_bytes("\n \r\n"));
  EXPECT_FAILS(ErrorKind::usage, "a.txt holds no sample", scene.read_bytes("", "a.txt"));
  EXPECT_FAILS(ErrorKind::usage, "No such file", scene.read_files({scene.dir / "none.jsonl"}));
  EXPECT_FAILS(ErrorKind::usage, "is not a file", scene.read_files({scene.dir.path()}));
  scene.options.max_length = 4;
  EXPECT_EQ(scene.why({R"({"prompt":"123","completion":"4"})"}),
            "E_USAGE: no sample is left: 1 longer than 4 tokens, 0 with nothing to learn");
}

TEST(DatasetFiles, ReadsFilesInOrderEachOfAShapeOfItsOwn) {
  Scene scene;
  test::write_bytes(scene.dir / "a.json", "{\"text\":\"a\", \"source\":1}\r\n\r\n{\"text\":\"b\"}");
  test::write_bytes(scene.dir / "b.txt", "c\x1b\n");
  test::write_bytes(scene.dir / "c.jsonl", R"({"prompt":"d","completion":"e","text":"f"})");
  const Dataset data =
      scene.read_files({scene.dir / "a.json", scene.dir / "b.txt", scene.dir / "c.jsonl"});
  EXPECT_EQ(scene.shown(data),
            (Shown{"⟦<s>⟧a</s>", "⟦<s>⟧b</s>", "⟦<s>⟧c\\x1b\n</s>", "⟦<s>d⟧e</s>"}));
  EXPECT_EQ(data.lines, 4);
}

TEST(DatasetFiles, NamesTheLineThatIsNoText) {
  Scene scene;
  for (const std::string_view wrong : {std::string_view("\0", 1), std::string_view("\xFF")}) {
    test::write_bytes(scene.dir / "a.txt", "one\n" + std::string(wrong) + "\nthree\n");
    EXPECT_FAILS(ErrorKind::usage, "a.txt: line 2 is no UTF-8 text",
                 scene.read_files({scene.dir / "a.txt"}));
  }
}

TEST(DatasetFiles, EndsBeforeLinesThatAreNotWanted) {
  Scene scene;
  int asked = 0;
  scene.options.before_lines = [&] {
    if (++asked > 1) fail(ErrorKind::interrupted, "enough");
  };
  EXPECT_EQ(scene.why(Lines(600, text_line("a"))), "E_INTERRUPTED: enough");
}

TEST(DatasetFiles, ThreadsChangeNothing) {
  Scene scene;
  scene.options.fim_rate = 0.5;
  scene.options.max_length = 24;
  Lines lines;
  for (std::size_t i = 0; i < 1300; ++i)
    lines.push_back(text_line(std::string(i % 40, 'a') + "b\\nc"));
  const Dataset one = scene.read(lines);
  Lines wrong = lines;
  wrong[700] = "{}", wrong[701] = "[]", wrong[1200] = "x";
  const std::string why = scene.why(wrong);
  EXPECT_EQ(why.find("data.jsonl:701: has neither"), 9u) << why;
  scene.options.threads = 3;
  const Dataset three = scene.read(lines);
  EXPECT_EQ(scene.shown(three), scene.shown(one));
  EXPECT_EQ(three.tokens, one.tokens);
  EXPECT_EQ(three.lines, 1300);
  EXPECT_EQ(scene.why(wrong), why);
}

TEST(DatasetFiles, TakesNulAndControlCharactersInStrings) {
  Scene scene;
  const Dataset data = scene.read({R"({"text":"\u0000\u001b[2J"})"});
  EXPECT_EQ(data.samples[0].ids, (std::vector<TokenId>{256, 0, 27, '[', '2', 'J', 257}));
  EXPECT_EQ(scene.shown(data), (Shown{"⟦<s>⟧\\x00\\x1b[2J</s>"}));
}

TEST(DatasetFiles, HoldsOutAShareByChance) {
  Scene scene;
  std::vector<std::string> lines;
  for (char c = 'a'; c <= 't'; ++c) lines.push_back(fmt::format(R"({{"text":"{}"}})", c));
  const Dataset all = scene.read(lines);
  const auto held = [&](double share, std::uint64_t seed) {
    Dataset learnt = all;
    const Dataset measured = hold_out(learnt, share, seed);
    EXPECT_EQ(learnt.tokens + measured.tokens, all.tokens);
    EXPECT_EQ(learnt.trained + measured.trained, all.trained);
    Shown shown = scene.shown(measured), rest = scene.shown(learnt), whole;
    EXPECT_TRUE(std::is_sorted(shown.begin(), shown.end()));
    std::merge(shown.begin(), shown.end(), rest.begin(), rest.end(), std::back_inserter(whole));
    EXPECT_EQ(whole, scene.shown(all));
    return shown;
  };
  EXPECT_EQ(held(0.25, 1).size(), 5u);
  EXPECT_EQ(held(0.25, 1), held(0.25, 1));
  EXPECT_NE(held(0.25, 1), held(0.25, 2));
  EXPECT_EQ(held(0.001, 1).size(), 1u);
  Dataset one = scene.read({lines[0]});
  EXPECT_FAILS(ErrorKind::usage, "1 of 1 samples to measure leave none to learn",
               hold_out(one, 0.1, 0));
}

TEST(DatasetFiles, PairsAreTwoAnswersToTheSamePrompt) {
  Scene scene;
  scene.options.pairs = true;
  const std::string line = R"({"prompt":"a?","chosen":" b","rejected":"cc"})";
  const Dataset data = scene.read({line});
  ASSERT_EQ(data.samples.size(), 1u);
  const TrainingSample& pair = data.samples[0];
  EXPECT_EQ(render_sample(pair, scene.own), "⟦<s>a?⟧ b</s>⟦<s>a?⟧cc</s>");
  EXPECT_EQ(pair.rejected, 6u);
  EXPECT_EQ(data.trained, 6);
  EXPECT_EQ(scene.why({R"({"text":"a"})"}),
            R"(E_USAGE: data.jsonl:1: has not "prompt", "chosen" and "rejected")");
  EXPECT_EQ(scene.why({R"({"prompt":"","chosen":1,"rejected":""})"}),
            R"(E_USAGE: data.jsonl:1: "chosen" is not a string)");
  scene.options.max_length = 11;
  EXPECT_EQ(scene.read({line, R"({"prompt":"","chosen":"","rejected":""})"}).too_long, 1);
}

}  // namespace
}  // namespace r1
