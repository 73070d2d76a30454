#pragma once

#include <string>
#include <string_view>

namespace r1 {

// GPT-2's letters for bytes: printable Latin-1 stands for itself, the other 68 bytes for U+0100
// onwards. Vocabularies of byte-level BPE are written in them.
std::string letters_of(std::string_view bytes);

// Appends the bytes that letters stand for. A character that is no such letter is appended as it
// is, and the result is false.
bool append_bytes_of(std::string& out, std::string_view letters);

}  // namespace r1
