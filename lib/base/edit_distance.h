#pragma once

#include <cstddef>
#include <string_view>

namespace r1 {

// How many bytes must be added, dropped or changed to turn one name into the other (Levenshtein).
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace r1
