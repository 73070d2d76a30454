#pragma once

#include <filesystem>
#include <string_view>

#include "lib/base/output.h"

namespace r1 {

// The whole of a file, which appears whole or not at all. Fails with `write`.
inline void write_file(const std::filesystem::path& path, std::string_view text) {
  const auto out = open_file(path);
  out->write(text);
  out->close();
}

}  // namespace r1
