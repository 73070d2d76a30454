#pragma once

#include <array>
#include <cstdint>
#include <string>

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

std::string sha256_hex(ByteSpan bytes, bool plainly = false);
std::string sha256_hex(const MappedFile& file);  // lets go of its pages as it reads them

}  // namespace r1
