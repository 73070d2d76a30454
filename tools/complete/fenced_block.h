#pragma once

#include <string>
#include <string_view>

namespace r1 {

// What stands between the first two lines of three backticks or more; all of it when there are
// none. A fence begins its line, behind at most three spaces; the second has no fewer backticks.
std::string fenced_block(std::string_view text);

}  // namespace r1
