#include <cstdlib>

#include "lib/base/json.h"
#include "tests/fuzz/fuzz.h"

// What is read can be written, and what is written is read as the same.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    const r1::Json json = r1::parse_json(r1::as_text(bytes), "fuzz");
    r1::JsonWriter once, twice;
    once.value(json);
    twice.value(r1::parse_json(once.text(), "fuzz"));
    if (once.text() != twice.text()) std::abort();
  });
}
