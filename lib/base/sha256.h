#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/bytes.h"

namespace r1 {

// SHA-256 (FIPS 180-4) of bytes that come in parts. The processor's instructions for it are used
// unless `plainly`.
class Sha256 {
 public:
  explicit Sha256(bool plainly = false);
  void add(ByteSpan bytes);
  std::string hex() const;  // 64 lower-case digits

 private:
  using State = std::array<std::uint32_t, 8>;
  void (*add_block_)(State&, const unsigned char*);
  State state_;
  std::array<unsigned char, 64> rest_{};  // what fills no block yet
  std::uint64_t bytes_ = 0;
};

// As `hex` writes a hash of so many digits.
inline bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string sha256_hex(ByteSpan bytes, bool plainly = false);
std::string sha256_hex(const MappedFile& file);  // lets go of its pages as it reads them

}  // namespace r1
