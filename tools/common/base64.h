#pragma once

#include <string>
#include <string_view>

namespace r1 {

// RFC 4648, with padding: how records carry names that are not UTF-8.
std::string base64(std::string_view bytes);
// Fails with `decode` for anything that `base64` does not write.
std::string from_base64(std::string_view text);

}  // namespace r1
