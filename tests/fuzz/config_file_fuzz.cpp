#include <algorithm>
#include <cstdlib>

#include "tests/fuzz/fuzz.h"
#include "tools/common/config_file.h"

// A config.toml: each entry has a name, a value, and a line that exists.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    const std::string_view text = r1::as_text(bytes);
    const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
    for (const r1::ConfigEntry& entry : r1::parse_config(text, "config.toml")) {
      if (entry.key.empty() || entry.line < 1 || entry.line > lines) std::abort();
      if (!entry.is_list && entry.values.size() != 1) std::abort();
    }
  });
}
