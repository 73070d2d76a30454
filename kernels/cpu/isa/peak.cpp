// The steps that products are made of, on registers and the same four bytes of x: what no product
// of this build and machine can be faster than. Each of the sums waits for its own last step only,
// and there are enough of them to keep two pipes of up to five cycles busy.
#include "kernels/cpu/isa/peak.h"

#include "kernels/cpu/isa/quads.h"

namespace r1::R1_ISA {
namespace {

constexpr int kSums = 12;
constexpr std::int64_t kSteps = 64;  // of every sum in a round

// `step(sum)` returns the next sum; what else it takes it holds by value, in registers.
template <typename V, typename Step>
R1_INLINE void repeat(std::int64_t rounds, Step step) {
  Each<V, kSums> sum;
  for (std::int64_t i = 0; i < rounds * kSteps; ++i) {
#pragma GCC unroll 12
    for (int s = 0; s < kSums; ++s) {
      sum[s] = step(sum[s]);
      unknown(sum[s]);
    }
  }
}

}  // namespace

double multiply_in_registers(cpu::PanelType type, std::int64_t rounds) {
  Floats v = all(1.0f), x = all(0x1p-20f);
  Ints bytes = all(std::int32_t{0x01010101});
  unknown(v), unknown(x), unknown(bytes);
  const std::int8_t four[4] = {1, 1, 1, 1};
  std::int64_t terms = 1;  // products in a lane in a step
  if (type == cpu::PanelType::f32 || (type == cpu::PanelType::bf16 && !kHasBf16)) {
    repeat<Floats>(rounds, [v, x](Floats sum) { return multiply_add(v, x, sum); });
  } else if (type == cpu::PanelType::bf16) {
    terms = 2;
    const PairElement pair[2] = {};
    repeat<Floats>(rounds, [bytes, &pair](Floats sum) { return dot_bf16(sum, bytes, pair); });
  } else if (type == cpu::PanelType::f16) {
#if defined(__AVX512FP16__)
    terms = 2;
    Halves halves{};
    unknown(halves);
    repeat<Halves>(rounds, [halves](Halves sum) { return add_pairs(sum, halves, 0); });
#endif
  } else if (kNarrowSum > 0 && !cpu::is_signed(type)) {  // the sums' own sums left out
    terms = 4;
    repeat<Pairs>(rounds, [bytes, &four](Pairs sum) {
      Ints w = bytes;
      unknown(w);
      return dot_narrow(sum, w, four);
    });
  } else {  // signed bytes take more steps than these, never fewer
    terms = 4;
    repeat<Ints>(rounds, [bytes, &four](Ints sum) {
      Ints w = bytes;
      unknown(w);  // or the part of several instructions that knows no sum is done once
      return dot_small(sum, w, four);
    });
  }
  return 2.0 * static_cast<double>(terms * kLanes * kSums * kSteps * rounds);
}

}  // namespace r1::R1_ISA
