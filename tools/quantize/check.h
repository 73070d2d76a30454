#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "lib/io/weights.h"
#include "tools/quantize/settings.h"

namespace r1 {

// Does this name a folder? Whatever does not end in .gguf.
bool is_folder(const std::string& output);
// A file or folder on its way to that name.
std::filesystem::path partial_of(const std::filesystem::path& output);

// Does anything become blocks, whose scales can be searched for?
bool makes_blocks(const QuantizeSettings& settings);
// "RE=TYPE" in two. Fails with `usage`.
std::pair<std::string, std::string> split_rule(const std::string& tensor_type);

// All that a run reads, as keep_inputs wants it.
std::vector<std::string> inputs_of(const QuantizeSettings& settings, const ModelFiles& files);
// Fails with `usage` where --manifest or --imatrix-out names one of these places.
void keep_side_files_from(const std::vector<std::filesystem::path>& places,
                          const QuantizeSettings& settings);

// Before the work, not after it: fails with `usage` for settings that contradict each other and for
// what is in the way, with `write` where there is no writing.
void check(const QuantizeSettings& settings);

}  // namespace r1
