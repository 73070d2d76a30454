#pragma once

#include <filesystem>
#include <string>

#include "lib/base/bytes.h"
#include "lib/base/error.h"

namespace r1 {

// A file to learn from. Fails with `usage`: it was named by the user.
inline MappedFile open_data(const std::filesystem::path& path) {
  try {
    return MappedFile(path);
  } catch (const Error& e) {
    fail(ErrorKind::usage, "{}", e.what());
  }
}

// Is it one sample a line, and not one text?
inline bool holds_samples(const std::filesystem::path& path) {
  return path.extension() == ".jsonl" || path.extension() == ".json";
}

// What is wrong with data is wrong usage, and never comes up after the first step. What the model's
// own files lack is not.
template <typename Body>
void naming(const std::string& where, const Body& body) {
  try {
    body();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::usage && e.kind() != ErrorKind::decode &&
        e.kind() != ErrorKind::limit)
      throw;
    fail(ErrorKind::usage, "{}: {}", where, e.what());
  }
}

}  // namespace r1
