#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/output.h"

namespace r1 {

// What -o names: `-` is standard output, a device is written as it is, a file appears whole. With
// `records` it is a journal, and what a broken run left of it is replaced with `force`.
std::unique_ptr<Output> open_results(const std::string& path, bool records, bool force);

// All of an answer, on standard output. Where SIGPIPE is ignored, a reader that has enough is no
// error.
void print_whole(const std::string& text);

// Is there something that open_results would replace, under that name or as what a broken run left?
// Its name, or nothing.
std::string in_the_way(const std::string& path);

// Fails with `usage` when one of the outputs is one of the inputs, under whatever name: reading
// what is being written ends in neither. A folder is the files in it. Empty names and `-` are none.
void keep_inputs(const std::vector<std::string>& outputs, const std::vector<std::string>& inputs);

// Fails with `write` where a file or folder of so many bytes has no room; `there` of them are taken
// already.
void need_space(const std::string& output, std::uint64_t bytes, std::uint64_t there);

}  // namespace r1
