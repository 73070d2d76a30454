#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/tasks/completion.h"
#include "tools/complete/settings.h"

namespace r1 {

inline constexpr std::string_view kCompleteSchema = "r1.complete/1";

// What every record of one run shares, worked out once.
struct RecordContext {
  std::string tool = "r1-complete";
  std::string model_name, digest, quant, device, determinism, recipe;
  bool openai = false, timing = false;
};
// Names everything that shapes an output: the model with its adapter, by their digest, and options.
std::string recipe_of(const CompleteSettings& settings, const std::string& digest,
                      const std::string& device);
std::string determinism_of(const CompleteSettings& settings, const std::string& device);
RecordContext record_context(const CompleteSettings& settings, const LoadedModel& model,
                             const std::string& device);

// Where one item came from.
struct ItemSource {
  std::string path;   // empty: a request line, or standard input
  std::string place;  // "line 7" or "FILE:7" of a request line
  std::size_t bytes = 0;
  std::string digest;  // of what is asked (input_digest.h); empty: it was not read
  std::vector<std::string> warnings;
  double timing_ms = 0;
  std::string target;  // the file its result goes to; empty: none of its own
  std::string kept;    // its record, made by an earlier run
};

std::int64_t completion_tokens(const CompletionResult& result);  // of all its answers
// The id of an input: its path, or base64:… where that is not UTF-8.
std::string path_id(const std::string& path);
// One line of JSON, with its newline.
std::string record_line(const CompletionResult& result, const ItemSource& source,
                        const RecordContext& context, const Tokenizer& tokenizer);
std::string summary_line(std::int64_t ok, std::int64_t failed, std::int64_t skipped,
                         bool interrupted);

}  // namespace r1
