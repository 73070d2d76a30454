#pragma once

#include <cstddef>
#include <cstdint>

#include "lib/base/bytes.h"
#include "lib/base/error.h"

// What libFuzzer calls, and what replay.cpp calls without it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace r1::test {

// Any bytes are read, or end in an Error; nothing else may happen.
template <typename Body>
int fuzz(const std::uint8_t* data, std::size_t size, Body&& body) {
  try {
    body(ByteSpan(reinterpret_cast<const std::byte*>(data), size));
  } catch (const Error&) {  // one line and an exit status
  }
  return 0;
}

// Reads the first byte and the last: a sanitizer sees whether they lie outside.
inline void touch(ByteSpan bytes) {
  if (bytes.empty()) return;
  [[maybe_unused]] const volatile std::byte first = bytes.front(), last = bytes.back();
}

}  // namespace r1::test
