#include <cstdlib>

#include "lib/base/json.h"
#include "lib/base/utf8.h"
#include "tests/fuzz/fuzz.h"

namespace {

// All of `text` through one stream, in pieces whose lengths the text itself says.
std::string in_pieces(std::string_view text) {
  r1::Utf8Stream stream;
  std::string out;
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, 1 + static_cast<unsigned char>(text[0]) % 5);
    const std::string more = stream.push(piece);
    if (!r1::is_utf8(more)) std::abort();
    out += more;
    text.remove_prefix(piece.size());
  }
  return out + stream.finish();
}

bool is_harmless(std::string_view text) {
  while (!text.empty()) {
    const r1::Utf8Step step = r1::next_utf8(text);
    if (!step.valid || r1::drives_terminal(step.code_point) || step.code_point == '\n')
      return false;
    text.remove_prefix(step.bytes);
  }
  return true;
}

}  // namespace

// Wherever it is cut, any text comes out the same and as UTF-8; as JSON it reads back as that; and
// in a message it is one harmless line.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    const std::string_view text = r1::as_text(bytes);
    r1::Utf8Stream stream;
    std::string whole = stream.push(text);
    whole += stream.finish();
    if (!r1::is_utf8(whole) || in_pieces(text) != whole) std::abort();
    r1::JsonWriter json;
    json.string(text);
    if (!is_harmless(json.text())) std::abort();
    if (r1::parse_json(json.text(), "fuzz").string("fuzz") != whole) std::abort();
    const std::string name = r1::escaped(text);
    if (!is_harmless(name) || name.size() > 220) std::abort();
  });
}
