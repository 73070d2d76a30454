#pragma once

#include <string>
#include <vector>

#include "lib/tasks/completion.h"
#include "tools/complete/settings.h"

namespace r1 {

// What every record of one run shares, worked out once.
struct RecordContext {
  std::string tool = "r1-complete";
  std::string model_name, digest, quant, device, recipe;
  bool openai = false, timing = false;
};
RecordContext record_context(const CompleteSettings& settings, const LoadedModel& model,
                             const std::string& device);

// Where one item came from.
struct ItemSource {
  std::string path;  // empty: a request line, or standard input
  std::size_t bytes = 0;
  std::vector<std::string> warnings;
  double timing_ms = 0;
};

// One line of JSON, with its newline (TOOLS.md 1.5).
std::string record_line(const CompletionResult& result, const ItemSource& source,
                        const RecordContext& context, const Tokenizer& tokenizer);
std::string summary_line(std::int64_t ok, std::int64_t failed, std::int64_t skipped,
                         bool interrupted);

}  // namespace r1
