// What a vocabulary is made of is what is taught: all of it, and nothing else.
#include "lib/train/text_lines.h"

#include <gtest/gtest.h>

#include "lib/text/train_sentencepiece.h"
#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

using Lines = std::vector<std::string>;

Lines lines_of(std::string_view data, std::size_t most = 100, const char* name = "data.jsonl") {
  const test::TempDir dir;
  test::write_bytes(dir / name, data);
  return text_lines({dir / name}, most);
}

TEST(TextLines, AreThoseOfWhatIsTaughtInEveryShape) {
  EXPECT_EQ(lines_of("{\"id\":\"x\",\"text\":\"b\\n \\na\",\"meta\":{\"path\":\"y\"}}\n"
                     "{\"messages\":[{\"role\":\"user\",\"content\":\"q\",\"name\":\"z\"}]}\n\n"
                     "{\"prompt\":\"p\",\"completion\":\"c\",\"license\":\"MIT\"}\n"
                     "{\"prefix\":\"1\",\"middle\":\"2\",\"suffix\":\"3\"}\n"
                     "{\"prompt\":\"p\",\"chosen\":\"good\",\"rejected\":\"bad\"}\n"),
            (Lines{"b", "a", "q", "p", "c", "1", "3", "2", "p", "good", "bad"}));
  EXPECT_EQ(lines_of("b\n\n a\n", 100, "data.txt"), (Lines{"b", " a"}));
  EXPECT_FAILS(ErrorKind::usage, "data.jsonl:1: has neither", lines_of("{\"txt\":\"a\"}"));
}

TEST(TextLines, AFileOfSamplesIsTheirTexts) {
  const std::string lines = "{\"text\":\"a\\nb\"}\n\n{\"prompt\":\"p\",\"completion\":\"c\"}\n";
  EXPECT_EQ(text_of_file(lines, "data.jsonl"), "a\nb\np\nc\n");
  EXPECT_EQ(text_of_file("\xef\xbb\xbf" + lines, "data.jsonl"), "a\nb\np\nc\n");
  EXPECT_EQ(text_of_file(lines, "data.txt"), lines);
  EXPECT_FAILS(ErrorKind::usage, "data.jsonl:1: has neither", text_of_file("{}", "data.jsonl"));
}

TEST(TextLines, CountAsOftenAsTheyStandThere) {
  EXPECT_EQ(lines_of("a\nb\na\n", 100, "data.txt"), (Lines{"a", "b", "a"}));
}

TEST(TextLines, OfManyAreEverySecondOrFourth) {
  const std::string_view data = "0\n1\n2\n3\n4\n5\n6\n7\n8\n";
  EXPECT_EQ(lines_of(data, 9, "data.txt").size(), 9u);
  EXPECT_EQ(lines_of(data, 8, "data.txt"), (Lines{"0", "2", "4", "6", "8"}));
  EXPECT_EQ(lines_of(data, 3, "data.txt"), (Lines{"0", "4", "8"}));
}

TEST(TextLines, ThatAreTooLongComeInPieces) {
  std::string words, whole(kLongestLine - 1, 'x');
  while (words.size() <= 3 * kLongestLine) words += " word";
  for (const std::string& text : {words, whole + "\u00e9" + whole}) {
    std::string joined;
    for (const std::string& line : lines_of(text, 100, "data.txt")) {
      EXPECT_LE(line.size(), kLongestLine);
      EXPECT_TRUE(text == words ? line.starts_with(" word") : !line.starts_with("\xa9")) << line;
      joined += line;
    }
    EXPECT_EQ(joined, text);
  }
  EXPECT_GT(train_sentencepiece(lines_of(whole + whole, 100, "data.txt"), 300).size(), 0u);
  EXPECT_FAILS(ErrorKind::usage, "no line of it can be used", train_sentencepiece({}, 300));
  std::string many;  // characters that the bytes' pieces leave no room for
  for (char c = '!'; c <= '~'; ++c) many += c;
  EXPECT_FAILS(ErrorKind::usage, "of this text: its characters alone take 3",
               train_sentencepiece({many, many, many}, 300));
}

}  // namespace
}  // namespace r1
