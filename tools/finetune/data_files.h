#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace r1 {

struct DataFiles {
  std::vector<std::string> names;
  std::int64_t left_out = 0;  // files in folders that are no text, or .json
};

// What is named to learn from, file by file: a folder stands for the texts and the lines of samples
// (.jsonl, .ndjson) in it and below, in the order of their names. Nothing of what is hidden, empty,
// or of a run of r1-finetune is meant. Fails with `usage` where a folder cannot be read or has
// nothing to learn.
DataFiles data_files(const std::vector<std::string>& named);

}  // namespace r1
