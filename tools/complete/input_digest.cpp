#include "tools/complete/input_digest.h"

#include "lib/base/sha256.h"

namespace r1 {

std::string input_digest(const CompletionRequest& r) {
  std::string asked;
  // With its length, so that no two lists of parts read the same.
  const auto add = [&asked](std::string_view part) {
    asked += fmt::format("{}:{}\n", part.size(), part);
  };
  add(r.prefix);
  add(r.suffix ? "suffix" : "");
  add(r.suffix.value_or(""));
  for (const ExtraFile& file : r.extra) add(file.name), add(file.text);
  add("messages");
  for (const ChatMessage& m : r.messages) add(m.role), add(m.content);
  add("stop");
  for (const std::string& text : r.stop.strings) add(text);
  const SamplingOptions& s = r.sampling;
  add(fmt::format("{} {} {} {} {} {} {}", r.max_tokens, s.temperature, s.top_k, s.top_p, s.min_p,
                  s.repeat_penalty, s.seed));
  add(fmt::format("{} {} {} {} {} {} {}", r.stop.at_line_end, r.stop.at_block_end, r.heal, r.fit,
                  r.answers, r.logprobs, r.time_limit_ms));
  return sha256_hex(as_bytes(asked)).substr(0, 16);
}

}  // namespace r1
