#pragma once

#include <cstddef>
#include <cstdint>

#include "lib/base/bytes.h"
#include "lib/tensor/dtype.h"

namespace r1 {

// A type of GGUF that nothing is computed in: its blocks become those of another as they are read.
//   Q5_0   q8_0, the same numbers             Q4_1, Q5_1, Q2_K   f16, rounded to nearest
//   Q3_K   q6_k, the same numbers
// Layouts: the GGUF specification, and its tools.
struct ConvertedType {
  std::uint32_t number;   // in files
  std::int64_t elements;  // of a block
  std::size_t bytes;      // of a block
  DType dtype;            // what they become
  void (*convert)(void* to, ByteSpan blocks);
};

const ConvertedType* converted_type(std::uint32_t number);  // null where it is none

}  // namespace r1
