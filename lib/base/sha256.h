#pragma once

#include <string>

#include "lib/base/bytes.h"

namespace r1 {

// 64 lower-case digits. FIPS 180-4. The processor's instructions for it are used unless `plainly`.
std::string sha256_hex(ByteSpan bytes, bool plainly = false);

}  // namespace r1
