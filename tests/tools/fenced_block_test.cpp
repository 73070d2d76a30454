#include "tools/complete/fenced_block.h"

#include <utility>

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(FencedBlock, IsWhatStandsBetweenTheFirstTwoFences) {
  const std::pair<std::string, std::string> texts[] = {
      {"```py\nX=1\n```", "X=1\n"},
      {"Here:\n```\na\nb\n```\nand\n```\nc\n```\n", "a\nb\n"},
      {"```\nX=1\n", "X=1\n"},  // cut off
      {"```\n```\n", ""},
      {"   ```\nX=1\n  ```\nbehind", "X=1\n"},
      {"````md\n```\nX=1\n```\n````\n", "```\nX=1\n```\n"},
      {"```\r\nX=1\r\n```\r\n", "X=1\r\n"}};
  for (const auto& [text, want] : texts) EXPECT_EQ(fenced_block(text), want) << text;
}

TEST(FencedBlock, BackticksWithinALineAreNoFence) {
  const std::pair<std::string, std::string> texts[] = {
      {"Use ``` fences.\n```py\nX=1\n```", "X=1\n"},
      {"```inline``` text\n```py\nX=1\n```", "X=1\n"},
      {"    ```\n    code\n```\nX=1\n```", "X=1\n"},  // four spaces are code already
      {"```sh\necho '```'\n    ```\n``\n```\n", "echo '```'\n    ```\n``\n"}};
  for (const auto& [text, want] : texts) EXPECT_EQ(fenced_block(text), want) << text;
}

TEST(FencedBlock, IsAllOfATextWithoutOne) {
  for (const std::string text : {"", "X=1", "a ``` b\nc ``` d\n", "text\n```", "text\n```py", "\n"})
    EXPECT_EQ(fenced_block(text), text);
}

}  // namespace
}  // namespace r1
