#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

// What a record of an earlier run says.
struct EarlierRecord {
  std::string id, status;
  std::string recipe;  // of records with status ok
  std::string path;    // of the input; empty: it had none
  std::string digest;  // of what was asked; empty: not known
  std::string line;    // all of it, with its newline
};

// The records of this schema in a file, in its order, without summaries and a cut last line. Fails
// with `usage` when it cannot be read or holds something else.
std::vector<EarlierRecord> read_earlier(const std::filesystem::path& path, std::string_view schema);

// The record with another `index`.
std::string with_index(const std::string& line, std::int64_t index);

}  // namespace r1
