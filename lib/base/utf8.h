#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace r1 {

// One step through text that may not be UTF-8.
struct Utf8Step {
  char32_t code_point = 0;  // U+FFFD when !valid
  std::size_t bytes = 1;    // 1 when !valid
  bool valid = false;
};
Utf8Step next_utf8(std::string_view text);  // text is not empty
void append_utf8(std::string& out, char32_t code_point);
bool is_utf8(std::string_view text);
// C0 but \n and \t, DEL, C1 and the bidirectional controls: what a terminal would obey.
bool drives_terminal(char32_t code_point);
// Text from models and files for a terminal: what would drive it becomes \x1b or \u202e, and a byte
// that belongs to no character U+FFFD.
std::string harmless(std::string_view text);

// Holds back the bytes of an unfinished character: whole characters only come out. A byte that can
// never become part of one comes out as U+FFFD.
class Utf8Stream {
 public:
  std::string push(std::string_view bytes);
  std::string finish();  // what is still held back, as U+FFFD

 private:
  std::string held_;
};

}  // namespace r1
