#include "tools/common/inputs.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "lib/base/random.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

class LineReaderTest : public testing::Test {
 protected:
  ~LineReaderTest() override { ::close(descriptor_); }
  LineReader reader_of(const std::string& text, std::size_t most) {
    ::close(descriptor_);
    test::write_bytes(dir_ / "lines", text);
    descriptor_ = ::open((dir_ / "lines").c_str(), O_RDONLY | O_CLOEXEC);
    return {descriptor_, "lines", '\n', most};
  }
  std::vector<std::string> lines_of(const std::string& text, std::size_t most = 1 << 20) {
    LineReader reader = reader_of(text, most);
    std::vector<std::string> lines;
    for (std::string line; reader.next(line, true) == LineReader::State::line;)
      lines.push_back(line);
    return lines;
  }

  test::TempDir dir_;
  int descriptor_ = -1;
};

TEST_F(LineReaderTest, HandsOutEveryLineWhateverItsLength) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(lines_of(""), Lines());
  EXPECT_EQ(lines_of("\n\n"), Lines({"", ""}));
  EXPECT_EQ(lines_of("a\n\nb"), Lines({"a", "", "b"}));
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Lines want;
    std::string text;
    for (std::uint64_t i = 0; i < 40; ++i) {
      const std::size_t n = random_bits(seed, 0, i) % (i % 8 == 0 ? 200'000 : 20);
      want.emplace_back(n, static_cast<char>('a' + i % 26));
      text += want.back() + "\n";
    }
    EXPECT_EQ(lines_of(text), want) << "seed " << seed;
  }
}

TEST_F(LineReaderTest, CutsALineThatIsTooLongAndReadsOn) {
  for (const std::size_t n : {1'001u, 65'536u, 1'000'000u}) {
    const auto lines = lines_of("a\n" + std::string(n, 'x') + "\nb\n" + std::string(n, 'y'), 1'000);
    ASSERT_EQ(lines.size(), 4u) << n;
    EXPECT_EQ(lines[0] + lines[2], "ab");
    EXPECT_EQ(lines[1], std::string(1'001, 'x')) << n;
    EXPECT_EQ(lines[3], std::string(1'001, 'y')) << n;
  }
  EXPECT_EQ(lines_of(std::string(1'000, 'x') + "\nb", 1'000)[0].size(), 1'000u);
}

TEST_F(LineReaderTest, KnowsWhichShareOfAFileItHasHandedOut) {
  LineReader reader = reader_of("abc\n" + std::string(299'995, 'x') + "\n", 10);
  std::string line;
  reader.next(line, true);
  EXPECT_EQ(reader.share(), 4.0 / 300'000);
  reader.next(line, true);
  EXPECT_EQ(reader.share(), 1);
}

}  // namespace
}  // namespace r1
