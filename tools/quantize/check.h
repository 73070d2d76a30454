#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "tools/quantize/settings.h"

namespace r1 {

// Does this name a folder? Whatever does not end in .gguf.
bool is_folder(const std::string& output);
// A file or folder on its way to that name.
std::filesystem::path partial_of(const std::filesystem::path& output);

// "RE=TYPE" in two. Fails with `usage`.
std::pair<std::string, std::string> split_rule(const std::string& tensor_type);

// Before the work, not after it: fails with `usage` for settings that contradict each other and for
// what is in the way, with `write` where there is no writing.
void check(const QuantizeSettings& settings);

}  // namespace r1
