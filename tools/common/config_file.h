#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace r1 {

struct ConfigEntry {
  std::string table, key;
  std::vector<std::string> values;  // one, or those of a list
  bool is_list = false;
  int line = 0;
};

// A small part of TOML: the tables [common] and one a tool, and keys with a string, number, boolean
// or list of strings. Whatever else stands there fails with `usage` and "file:line".
std::vector<ConfigEntry> parse_config(std::string_view text, std::string_view file);

}  // namespace r1
