#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace r1 {

// The lines of all text that files of samples teach, as often as they stand there, without blank
// ones and in pieces where they are too long: what a vocabulary is made of. Every second where they
// are more than `most`, or every fourth, and so on. Fails with `usage` and "FILE:LINE: why" as
// `read_dataset` does. `before_line` may throw, to end it.
std::vector<std::string> text_lines(const std::vector<std::filesystem::path>& files,
                                    std::size_t most,
                                    const std::function<void()>& before_line = {});

// What stands in a file of this name and these bytes: of one of samples all that they teach, each
// with a line's end. Fails as above.
std::string text_of_file(std::string bytes, const std::filesystem::path& path);

}  // namespace r1
