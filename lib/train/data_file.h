#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/lines.h"
#include "lib/base/lower.h"
#include "lib/base/utf8.h"

namespace r1 {

// A file to learn from. Fails with `usage`: it was named by the user.
inline MappedFile open_data(const std::filesystem::path& path) {
  return as_usage([&] { return MappedFile(path); });
}

// Is it one sample a line, and not one text?
inline bool holds_samples(const std::filesystem::path& path) {
  const std::string ending = lower(path.extension().string());
  return ending == ".jsonl" || ending == ".ndjson" || ending == ".json";
}

// Samples without the byte order mark that some editors put first.
inline std::string_view without_mark(std::string_view samples) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  return samples.substr(samples.starts_with(kMark) ? kMark.size() : 0);
}

inline bool is_text(std::string_view bytes) {
  return bytes.find('\0') == std::string_view::npos && is_utf8(bytes);
}

// Fails with `usage` for what no text file holds, naming the line.
inline void need_text(std::string_view text) {
  for_each_line(text, [](std::string_view line, int number) {
    if (!is_text(line)) fail(ErrorKind::usage, "line {} is no UTF-8 text", number);
  });
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
