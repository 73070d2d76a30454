#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "lib/base/bytes.h"
#include "lib/base/error.h"

namespace r1 {

// Arithmetic on numbers from files: fails with `decode` and the name of the thing on overflow.
std::uint64_t checked_mul(std::uint64_t a, std::uint64_t b, std::string_view what);
std::uint64_t checked_add(std::uint64_t a, std::uint64_t b, std::string_view what);

// Reads little-endian values from a span, comparing with what remains before each read.
// Every parser of ours reads through one of these. `what` names the file or part in errors.
class ByteReader {
 public:
  ByteReader(ByteSpan bytes, std::string_view what) : bytes_(bytes), what_(what) {}

  template <typename T>
  requires std::is_trivially_copyable_v<T> T read() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  ByteSpan take(std::uint64_t count);  // fails with `truncated`
  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return bytes_.size() - position_; }

 private:
  ByteSpan bytes_;
  std::string_view what_;
  std::uint64_t position_ = 0;
};

}  // namespace r1
