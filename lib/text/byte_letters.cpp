#include "lib/text/byte_letters.h"

#include <array>
#include <cstdint>

#include "lib/base/utf8.h"

namespace r1 {
namespace {

constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<char32_t, 256> kLetters = [] {
  std::array<char32_t, 256> letters{};
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte)
    letters[byte] = stands_for_itself(byte) ? byte : next++;
  return letters;
}();

constexpr char32_t kEnd = 0x144;  // past the last letter
constexpr std::array<std::int16_t, kEnd> kBytes = [] {
  std::array<std::int16_t, kEnd> bytes{};
  bytes.fill(-1);
  for (std::size_t byte = 0; byte < 256; ++byte)
    bytes[kLetters[byte]] = static_cast<std::int16_t>(byte);
  return bytes;
}();

}  // namespace

std::string letters_of(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) append_utf8(out, kLetters[static_cast<unsigned char>(c)]);
  return out;
}

bool append_bytes_of(std::string& out, std::string_view letters) {
  bool all = true;
  while (!letters.empty()) {
    const Utf8Step step = next_utf8(letters);
    if (step.valid && step.code_point < kEnd && kBytes[step.code_point] >= 0) {
      out += static_cast<char>(kBytes[step.code_point]);
    } else {
      out += letters.substr(0, step.bytes);
      all = false;
    }
    letters.remove_prefix(step.bytes);
  }
  return all;
}

}  // namespace r1
