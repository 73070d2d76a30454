#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/isa/layout.h"

namespace r1::cpu {

// 32 elements of x in 8 bits: x = scale 2^-e q. The scale is that of `blocks_of_step` blocks, and e
// a block's own. Sums of products begin with a whole number and are read as f32, which is `away`
// more than they mean: near 1.5 2^(23 - e) the bits of f32 count in steps of 2^-e. All of it side
// by side, so that a row has one address.
struct XBlock {
  std::int8_t q[kBlock];
  std::int32_t start[2];  // of sums of all, or of each half
  float away, scale;
  std::int16_t sums[2];  // of q in this block and the next, in steps of 2^-e: kSumSteps times that
};
inline constexpr std::int32_t kSumSteps = 8;  // 8 times 32 times 127 is within 16 bits

// Powers of two that halves stay below so that no sum of 64 products is infinite: of both factors,
// and of a query that meets whatever a page holds.
inline constexpr int kFactorsBelow = 4, kQueryBelow = -6;

struct Range {
  std::int64_t begin, end;
};

// Neighbours along K, in the place that one f32 takes.
struct Pair {
  std::uint16_t of[2];
};

// A plain matrix, or with `row` 1 the transpose of one: x(r, k) = at[r row + k column].
template <typename T>
struct Strided {
  const T* at;
  std::int64_t row, column;  // one of them is 1
};

// Rows of x as a product wants them: f32; bf16 or f16, with K padded to even by zero; or 8 bits.
struct Rows {
  const float* f32 = nullptr;           // [rows, K], or rounded to bf16 and padded
  const std::uint16_t* bf16 = nullptr;  // [rows, K rounded up to even]
  Strided<Pair> f16 = {};               // [rows, pairs_in_f16(K)], or panels of 16 rows
  const XBlock* blocks = nullptr;       // [rows, K / 32]
};
// Of a row of f16: an f32 power of two, and halves that are to be multiplied by it.
constexpr std::int64_t pairs_in_f16(std::int64_t K) { return 1 + (K + 1) / 2; }
// Neighbouring panels of f16, of which products begin with the pairs `first`.
struct HalfPanels {
  const Pair* at;
  std::int64_t apart, first;
};

// One query row of one head on its way through its past, page by page.
struct AttendRow {
  const float* q;                       // [hd]
  float* mean;                          // [hd] weighted values so far, by e^largest
  float own;                            // A of the row, 0 without DAW
  float largest, sum;                   // of the scores so far; the weights so far, by e^largest
  std::int64_t begin, end;              // what it sees of the page at hand: at least one position
  const std::int16_t* whole = nullptr;  // [hd]: q = step whole; for pages of q8_0
  float step = 0.0f;
  const std::uint16_t* halves = nullptr;  // q for pages of bf16, with has_bf16: [hd]; for those of
                                          // f16, with has_f16: q = step halves, [hd, 2], twice each
};
inline constexpr std::int64_t kPagePositions = 64;
// Pages of bf16 hold pairs: keys [hd / 2, 64, 2], two elements of each position; values
// [32, hd, 2], two positions of each element.
// Pages of q8_0 are made of blocks of 32 elements of the head: 2,048 bytes, then the 64 positions'
// f16 scales. Bytes that are summed together stand in pairs: keys [16, 64, 2], two elements of each
// position; values [32, 32, 2], two positions of each element.
inline constexpr std::int64_t kPageBytes = kPagePositions * kBlock;
inline constexpr std::int64_t kPageBlock = kPageBytes + 2 * kPagePositions;
struct PastPage {      // of one key head
  const void* keys;    // [hd, 64], or blocks
  const void* values;  // [64, hd], or blocks
  const float* decay;  // [64] or null
  std::int64_t hd;
  float scale;  // of q·k
  // From these to the page that comes after this one, in bytes: asked for meanwhile.
  std::ptrdiff_t next_keys, next_values;
};

struct Adamw {
  float beta1, beta2, seen1, seen2;  // seen = 1 - beta^step
  float rate, epsilon, weight_decay, gradient_scale;
};

// What is compiled once per instruction set. Plain pointers only: an inline function of the
// standard library compiled here could end up in use on a machine without these instructions.
struct Kernels {
  const char* name;  // of the instruction set
  bool has_f16;      // there are products with f16 panels, and attention over f16 multiplies halves
  bool has_bf16;     // products with bf16 panels take x as bf16; otherwise as f32 rounded to bf16
  // y[r, 0 … n) = sum over K of x[r] panels, for r in rows: n rows of as many panels side by side,
  // y rows `stride` apart.
  void (*product)(PanelType type, float* y, std::int64_t stride, const void* panels, const Rows& x,
                  Range rows, std::int64_t K, std::int64_t n);
  // The same, to the bit, of panels that `spread` made of these; of f32, the same panels. Not of
  // f16, nor of bf16 with has_bf16. Goes by 8 rows: rows.end is no less, and rows before the first
  // may be made once more.
  decltype(product) product_spread;
  void (*spread)(PanelType type, void* to, const void* panel, std::int64_t K);
  // y[r, 0 … n) += sum over K of x(r, k) panel[k], for r in rows: n of 16 columns, which stand in a
  // panel [K, 16]; y rows `stride` apart.
  void (*add_product)(float* y, std::int64_t stride, const float* panel, const Strided<float>& x,
                      Range rows, std::int64_t K, std::int64_t n);
  // The same of K pairs; null without has_bf16.
  void (*add_product_of_pairs)(float* y, std::int64_t stride, const Pair* panel,
                               const Strided<Pair>& x, Range rows, std::int64_t K, std::int64_t n);
  // As `product`, of f16 panels and so many pairs, but adds to y; null without has_f16.
  void (*add_product_of_halves)(float* y, std::int64_t stride, const HalfPanels& panels,
                                const Rows& x, Range rows, std::int64_t pairs, std::int64_t n);
  // One row in 8 bits, for products with panels of this type; K is a multiple of 32.
  void (*quantize)(PanelType type, XBlock* to, const float* x, std::int64_t K);
  // From f32 or bf16 one row of f16, of x or of a panel, with halves below 2^below; and panels
  // whose rows are n columns of x [K, n], rows of which are `stride` apart, with halves below
  // 2^kFactorsBelow. Null without has_f16.
  void (*scale_to_f16)(Pair* to, const float* x, std::int64_t K, int below);
  void (*scale_bf16_to_f16)(Pair* to, const std::uint16_t* x, std::int64_t K, int below);
  void (*columns_to_f16)(Pair* panels, const float* x, std::int64_t stride, std::int64_t K,
                         std::int64_t n);
  void (*columns_of_bf16_to_f16)(Pair* panels, const std::uint16_t* x, std::int64_t stride,
                                 std::int64_t K, std::int64_t n);
  void (*to_f16)(std::uint16_t* y, const float* x, std::int64_t n);  // null without has_f16
  void (*to_bf16)(std::uint16_t* y, const float* x, std::int64_t n);
  void (*round_to_bf16)(float* y, const float* x, std::int64_t n);
  // x = step y in whole numbers up to 32,767; returns the step. n is a multiple of 32.
  float (*to_whole)(std::int16_t* y, const float* x, std::int64_t n);
  // Runs the steps of products with panels of this type on registers alone; returns the operations
  // done, a multiplication and an addition being two.
  double (*multiply_in_registers)(PanelType type, std::int64_t rounds);

  // An f32 panel [K, 16] of rows of x, `stride` apart, times s: up to 16, the others zero.
  void (*turn)(float* panel, float s, const float* x, std::int64_t stride, std::int64_t rows,
               std::int64_t K);
  void (*turn_pairs)(Pair* panel, const Pair* x, std::int64_t stride, std::int64_t rows,
                     std::int64_t K);  // the same of K pairs, as they are

  // Pairs of a head [2 half] by their angles, whose cosines and sines stand side by side in table
  // [half, 2]: neighbours, or halves of the head. Backward turns the other way and adds.
  void (*rotate)(float* y, const float* x, const float* table, std::int64_t half, bool interleaved);
  void (*rotate_backward)(float* dx, const float* dy, const float* table, std::int64_t half,
                          bool interleaved);
  float (*dot)(const float* a, const float* b, std::int64_t n);
  void (*axpy)(float* y, float s, const float* x, std::int64_t n);  // y += s x
  // y = a x + b z; y may be x or z, and z null.
  void (*blend)(float* y, float a, const float* x, float b, const float* z, std::int64_t n);
  void (*scale_by)(float* y, float s, const float* a, const float* b, std::int64_t n);  // y = s a b
  void (*add_scaled_by)(float* y, float s, const float* a, const float* b, std::int64_t n);  // y +=
  // dx of a row, to which it is added; n is what the norm divides by.
  void (*rms_norm_backward)(float* dx, const float* dy, const float* x, const float* w, float rstd,
                            std::int64_t n);
  float (*largest)(const float* x, std::int64_t n);
  // y = exp(x - shift), which may be x itself or null; returns the sum.
  float (*exp_sum)(float* y, const float* x, float shift, std::int64_t n);
  // p of a row and dp less its mean become scale dz and p: dz, their product, is taken from dA.
  void (*softmax_backward)(float* p, float* dp, float* dA, float scale, std::int64_t n);
  void (*swiglu)(float* y, const float* gate, const float* up, std::int64_t n);
  void (*swiglu_backward)(float* dgate, float* dup, const float* dy, const float* gate,
                          const float* up, std::int64_t n);  // dgate and dup may be null
  void (*gelu)(float* y, const float* x, std::int64_t n);    // y may be x itself
  void (*gelu_backward)(float* dx, const float* dy, const float* x, std::int64_t n);
  // Weights and both moments, by gradients.
  void (*adamw)(float* w, float* m, float* v, const float* g, std::int64_t n, const Adamw& options);

  void (*attend_f32)(AttendRow* const* rows, int count, const PastPage& page);
  void (*attend_f16)(AttendRow* const* rows, int count, const PastPage& page);
  void (*attend_bf16)(AttendRow* const* rows, int count, const PastPage& page);
  void (*attend_q8_0)(AttendRow* const* rows, int count, const PastPage& page);
};

}  // namespace r1::cpu

namespace r1::baseline {
extern const cpu::Kernels kKernels;
}
namespace r1::avx2 {
extern const cpu::Kernels kKernels;
}
namespace r1::avx2_vnni {
extern const cpu::Kernels kKernels;
}
namespace r1::avx512_vnni {
extern const cpu::Kernels kKernels;
}
namespace r1::avx512_fp16 {
extern const cpu::Kernels kKernels;
}
namespace r1::avx512 {
extern const cpu::Kernels kKernels;
}
namespace r1::dotprod {
extern const cpu::Kernels kKernels;
}
