// y += x panel: 16 columns at a time against a few rows of x, or of its transpose, whose sums stay
// in registers. A row's sum runs along K in one order, whatever the other rows. Elements are f32 or
// pairs of bf16.
#include "kernels/cpu/isa/sums.h"

#include "kernels/cpu/isa/quads.h"
#include "kernels/cpu/isa/vector.h"

namespace r1::R1_ISA {
namespace {

using cpu::Strided;

// Of 32 registers or 16.
constexpr int kMostRows = kRegister == 64 ? 12 : kRegister == 32 ? 6 : 4;
constexpr int kParts = kRegister == 64 ? 1 : 2;

enum class Along { rows, columns };  // where x has neighbours

template <Along along, typename T>
R1_INLINE const T& element(const Strided<T>& x, std::int64_t r, std::int64_t k) {
  return along == Along::rows ? x.at[r * x.row + k] : x.at[k * x.column + r];
}

R1_INLINE Floats add_term(Floats sum, Floats v, const float& x) {
  return multiply_add(v, all(x), sum);
}
#if defined(__AVX512BF16__)
R1_INLINE Floats add_term(Floats sum, Floats v, const cpu::Pair& x) {
  return dot_bf16(sum, bits<Ints>(v), x.of);
}
#endif

R1_INLINE void add_to(float* y, Floats v, std::int64_t n) {
  if (n >= kLanes)
    store(y, load<Floats>(y) + v);
  else if (n > 0)
    store_some(y, load_some(y, n) + v, n);
}

template <Along along, int R, typename T>
void add_rows(float* y, std::int64_t stride, const T* panel, const Strided<T>& x, std::int64_t K,
              std::int64_t n) {
  for (std::int64_t part = 0; part < n; part += kParts * kLanes) {
    Each<Each<Floats, kParts>, R> sum;  // not zeroed as one piece of memory
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      sum[r] = {};
      __builtin_prefetch(y + r * stride + part, 1);  // by the end it is there
    }
    for (std::int64_t k = 0; k < K; ++k) {
      Each<Floats, kParts> v;
      for (int p = 0; p < kParts; ++p)
        v[p] = load<Floats>(panel + cpu::kPanelRows * k + part + kLanes * p);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
        for (int p = 0; p < kParts; ++p)
          sum[r][p] = add_term(sum[r][p], v[p], element<along>(x, r, k));
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int p = 0; p < kParts; ++p)
        add_to(y + r * stride + part + kLanes * p, sum[r][p], n - part - kLanes * p);
  }
}

template <Along along, typename T>
void add_all(float* y, std::int64_t stride, const T* panel, const Strided<T>& x, cpu::Range rows,
             std::int64_t K, std::int64_t n) {
  std::int64_t r = rows.begin;
  const auto left = [&] { return rows.end - r; };
  const auto from = [&] { return Strided<T>{&element<along>(x, r, 0), x.row, x.column}; };
  for (; left() >= kMostRows; r += kMostRows)
    add_rows<along, kMostRows>(y + r * stride, stride, panel, from(), K, n);
  for (; left() >= 4; r += 4) add_rows<along, 4>(y + r * stride, stride, panel, from(), K, n);
  for (; left() > 0; ++r) add_rows<along, 1>(y + r * stride, stride, panel, from(), K, n);
}

template <typename T>
void add_either(float* y, std::int64_t stride, const T* panel, const Strided<T>& x, cpu::Range rows,
                std::int64_t K, std::int64_t n) {
  if (x.column == 1)
    add_all<Along::rows>(y, stride, panel, x, rows, K, n);
  else
    add_all<Along::columns>(y, stride, panel, x, rows, K, n);
}

}  // namespace

void add_product(float* y, std::int64_t stride, const float* panel, const Strided<float>& x,
                 cpu::Range rows, std::int64_t K, std::int64_t n) {
  add_either(y, stride, panel, x, rows, K, n);
}

#if defined(__AVX512BF16__)
void add_product_of_pairs(float* y, std::int64_t stride, const cpu::Pair* panel,
                          const Strided<cpu::Pair>& x, cpu::Range rows, std::int64_t K,
                          std::int64_t n) {
  add_either(y, stride, panel, x, rows, K, n);
}
#endif

}  // namespace r1::R1_ISA
