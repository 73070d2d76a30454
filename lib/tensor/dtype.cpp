#include "lib/tensor/dtype.h"

#include "lib/tensor/float16.h"

namespace r1 {
namespace {

struct Facts {
  std::string_view name;
  std::int64_t elements;
  std::size_t bytes;
};

constexpr Facts facts(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return {"f32", 1, 4};
    case DType::f16:
      return {"f16", 1, 2};
    case DType::bf16:
      return {"bf16", 1, 2};
    case DType::i32:
      return {"i32", 1, 4};
    case DType::i64:
      return {"i64", 1, 8};
    case DType::q8_0:
      return {"q8_0", 32, 34};
    case DType::q4_0:
      return {"q4_0", 32, 18};
    case DType::q4_k:
      return {"q4_k", 256, 144};
    case DType::q5_k:
      return {"q5_k", 256, 176};
    case DType::q6_k:
      return {"q6_k", 256, 210};
    case DType::iq4_nl:
      return {"iq4_nl", 32, 18};
    case DType::iq4_xs:
      return {"iq4_xs", 256, 136};
    case DType::f8_e4m3:
      return {"f8_e4m3", 1, 1};
    case DType::f8_e5m2:
      return {"f8_e5m2", 1, 1};
  }
  return {"?", 1, 0};
}

}  // namespace

std::string_view to_string(DType dtype) { return facts(dtype).name; }
std::int64_t block_elements(DType dtype) { return facts(dtype).elements; }
std::size_t block_bytes(DType dtype) { return facts(dtype).bytes; }

float bf16_to_f32(std::uint16_t bits) { return bfloat_to_float(bits); }
std::uint16_t f32_to_bf16(float value) { return float_to_bfloat(value); }
float f16_to_f32(std::uint16_t half) { return half_to_float(half); }
std::uint16_t f32_to_f16(float value) { return float_to_half(value); }

}  // namespace r1
