#pragma once

#include <string>
#include <string_view>

namespace r1 {

// Unicode normalization form C (UAX #15) of valid UTF-8. Text below U+0300 comes back as it is.
std::string nfc(std::string_view text);

}  // namespace r1
