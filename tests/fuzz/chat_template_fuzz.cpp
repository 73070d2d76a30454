#include "lib/text/chat_template.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    const std::string text(r1::as_text(bytes));
    r1::split_reasoning(text);
    r1::ChatTemplate::recognise(text).render_with_answer(
        {{"system", text}, {"user", text}, {"assistant", text}, {"user", ""}}, text);
  });
}
