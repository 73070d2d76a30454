#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace r1 {

// body(line, number) for each line of a text that is there, without its newline; numbers from 1.
template <typename Body>
void for_each_line(std::string_view text, const Body& body) {
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    body(text.substr(0, end), number);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace r1
