#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace r1 {

// Numbers as options list them: "512", "1,2,4", "1-4" (by one), "0-4096+1024", "1-16*2", and these
// mixed with commas. Each once, in the order given. Fails with `usage`, naming the option as
// `shown`, for anything else, for a number outside [least, most], and for over 1000 numbers.
std::vector<std::int64_t> parse_ranges(std::string_view text, std::string_view shown,
                                       std::int64_t least, std::int64_t most);

// "2.50/h" -> 2.5 an hour. Fails with `usage`.
double parse_price(std::string_view text, std::string_view shown);

// Does `name` fit a pattern in which * stands for anything and ? for one character?
bool fits(std::string_view name, std::string_view pattern);

}  // namespace r1
