#pragma once

#include <string>

#include "lib/base/bytes.h"

namespace r1 {

std::string sha256_hex(ByteSpan bytes);  // 64 lower-case digits. FIPS 180-4

}  // namespace r1
