#include "tools/complete/fenced_block.h"

#include <algorithm>

namespace r1 {
namespace {

constexpr std::size_t kFewest = 3;      // backticks of a fence
constexpr std::size_t kMostSpaces = 3;  // before it

// Where the line after the one at `begin` begins.
std::size_t line_end(std::string_view text, std::size_t begin) {
  const std::size_t newline = text.find('\n', begin);
  return newline == std::string_view::npos ? text.size() : newline + 1;
}

// How many backticks the line begins with, behind its spaces.
std::size_t backticks(std::string_view line) {
  const std::size_t spaces = std::min(line.find_first_not_of(' '), line.size());
  if (spaces > kMostSpaces) return 0;
  line.remove_prefix(spaces);
  return std::min(line.find_first_not_of('`'), line.size());
}

// With a backtick behind them they are text between backticks.
bool opens(std::string_view line) {
  const std::size_t count = backticks(line);
  return count >= kFewest && line.find('`', line.find('`') + count) == std::string_view::npos;
}

}  // namespace

std::string fenced_block(std::string_view text) {
  std::size_t begin = 0, fence = 0;  // fence: how many backticks opened the block, 0: none yet
  for (std::size_t at = 0, next = 0; at < text.size(); at = next) {
    next = line_end(text, at);
    const std::string_view line = text.substr(at, next - at);
    if (fence > 0 && backticks(line) >= fence) return std::string(text.substr(begin, at - begin));
    if (fence > 0 || !opens(line) || !line.ends_with('\n')) continue;
    fence = backticks(line);
    begin = next;
  }
  return std::string(text.substr(begin));
}

}  // namespace r1
