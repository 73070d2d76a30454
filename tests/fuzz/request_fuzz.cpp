#include <cstdlib>

#include "lib/base/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "tools/complete/requests.h"

namespace {

// A line is a request whose numbers are in their ranges, or a broken one that says why in a line.
void check(const r1::CompletionRequest& r) {
  if (r.broken) {
    const std::string_view why = r.broken->what();
    if (why.find('\n') != std::string_view::npos || !r1::is_utf8(why)) std::abort();
    return;
  }
  if (r.max_tokens < 0 || r.answers < 1 || r.sampling.top_k < 0) std::abort();
  if (!(r.sampling.temperature >= 0) || !(r.sampling.repeat_penalty > 0)) std::abort();
  if (r.prefix.empty() && r.messages.empty() && !r1::is_utf8(r.id)) std::abort();
}

}  // namespace

// A line of JSONL, or of an OpenAI batch file.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    const std::string_view line = r1::as_text(bytes);
    std::vector<std::string> warnings;
    check(r1::read_request(line, {}, warnings));
    check(r1::read_openai_request(line, {}, warnings));
    for (const std::string& warning : warnings)
      if (warning.find('\n') != std::string::npos || !r1::is_utf8(warning)) std::abort();
  });
}
