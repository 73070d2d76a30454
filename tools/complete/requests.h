#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/tasks/completion.h"
#include "tools/complete/settings.h"

namespace r1 {

// A request that every setting of the command line has gone into, without a text yet.
CompletionRequest request_of(const CompleteSettings& settings);
// A chat is sampled as the model's makers say, where nobody else says anything.
void sample_as_model_says(SamplingOptions& sampling, const CompleteSettings& settings,
                          const MakersSampling& makers);

// One line of JSONL (llama.vim's names are understood) or of an OpenAI batch file. A
// line that is no request comes back with `broken` set. `warnings` takes the keys that mean nothing
// here.
CompletionRequest read_request(std::string_view line, const CompletionRequest& defaults,
                               std::vector<std::string>& warnings);
CompletionRequest read_openai_request(std::string_view line, const CompletionRequest& defaults,
                                      std::vector<std::string>& warnings);

// Puts text into a request: split at the cursor mark, the suffix, or the question of a chat.
void set_text(CompletionRequest& request, std::string text, const CompleteSettings& settings);

}  // namespace r1
