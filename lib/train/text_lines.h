#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace r1 {

// The distinct lines of all text in files of samples, sorted, without blank ones: what a vocabulary
// is made of. Every n-th where they are more than `most`. Fails with `usage` and "FILE:LINE: why"
// as `read_dataset` does for what is no JSON.
std::vector<std::string> text_lines(const std::vector<std::filesystem::path>& files,
                                    std::size_t most);

}  // namespace r1
