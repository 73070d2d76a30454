#pragma once

#include <string>
#include <string_view>

namespace r1 {

// A name in small letters; those of ASCII alone.
inline std::string lower(std::string_view name) {
  std::string out(name);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

}  // namespace r1
