#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace r1 {

// The distinct lines of all text in files of samples, sorted, without blank ones: what a vocabulary
// is made of. Every n-th where they are more than `most`. Fails with `usage` and "FILE:LINE: why"
// as `read_dataset` does for what is no JSON. `before_line` may throw, to end it.
std::vector<std::string> text_lines(const std::vector<std::filesystem::path>& files,
                                    std::size_t most,
                                    const std::function<void()>& before_line = {});

}  // namespace r1
