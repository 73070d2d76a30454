#pragma once

#include <span>
#include <string_view>

namespace r1 {

// Names of the options that a configuration file may set, of all tools, sorted. A tool does not
// know the tables of the others; a test holds this list against all of them.
std::span<const std::string_view> config_keys();
bool is_config_key(std::string_view name);

}  // namespace r1
