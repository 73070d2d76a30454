#include <algorithm>
#include <cstdlib>

#include "lib/base/utf8.h"
#include "lib/text/pretokenize.h"
#include "tests/fuzz/fuzz.h"

// The first line is a pattern, the rest a text: its matches lie in the text, one behind the other,
// at whole characters.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    const std::string_view all = r1::as_text(bytes);
    const std::size_t line = std::min(all.find('\n'), all.size());
    const r1::Regex regex(all.substr(0, line));
    const std::string_view text = all.substr(std::min(line + 1, all.size()));
    if (!r1::is_utf8(text)) return;
    std::size_t done = 0;
    for (const r1::Regex::Match& m : regex.matches(text)) {
      if (m.begin < done || m.end <= m.begin || m.end > text.size()) std::abort();
      if (!r1::is_utf8(text.substr(m.begin, m.end - m.begin))) std::abort();
      done = m.end;
    }
  });
}
