// Products of plain matrices in halves, where the processor multiplies those: each row of the one
// and each column of the other is scaled by a power of two on its way, some terms at a time.
#include <algorithm>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {

using cpu::kPanelRows;
using cpu::Strided;

namespace {

std::int64_t panels_of(std::int64_t rows) { return (rows + kPanelRows - 1) / kPanelRows; }

// One row, or panels of n columns, of what may be either.
void row_to_halves(const cpu::Kernels& kernels, cpu::Pair* to, const float* x, std::int64_t K) {
  kernels.scale_to_f16(to, x, K, cpu::kFactorsBelow);
}
void row_to_halves(const cpu::Kernels& kernels, cpu::Pair* to, const std::uint16_t* x,
                   std::int64_t K) {
  kernels.scale_bf16_to_f16(to, x, K, cpu::kFactorsBelow);
}
void columns_to_halves(const cpu::Kernels& kernels, cpu::Pair* to, const Strided<float>& x,
                       std::int64_t K, std::int64_t n) {
  kernels.columns_to_f16(to, x.at, x.column, K, n);
}
void columns_to_halves(const cpu::Kernels& kernels, cpu::Pair* to, const Strided<std::uint16_t>& x,
                       std::int64_t K, std::int64_t n) {
  kernels.columns_of_bf16_to_f16(to, x.at, x.column, K, n);
}

}  // namespace

template <typename T>
cpu::Rows CpuBackend::in_halves(const Strided<T>& x, std::int64_t R, std::int64_t K) {
  const std::int64_t size = cpu::pairs_in_f16(K), panels = panels_of(R);
  cpu::Pair* pairs = cpu::at_least(pairs_, panels * kPanelRows * size);
  if (x.column != 1) {
    for_rows(panels, kPanelRows * K, [&](std::int64_t begin, std::int64_t end) {
      begin *= kPanelRows;
      columns_to_halves(kernels_, pairs + begin * size, Strided<T>{x.at + begin, 1, x.column}, K,
                        std::min(R, end * kPanelRows) - begin);
    });
    return {.f16 = {pairs, 1, kPanelRows}};
  }
  for_rows(R, K, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      row_to_halves(kernels_, pairs + r * size, x.at + r * x.row, K);
  });
  return {.f16 = {pairs, size, 1}};
}

// Panels of columns of b are laid by whoever multiplies them, and stay in the second cache with
// some rows of a.
template <typename T>
void CpuBackend::add_product_of_halves(const Tensor& out, const Strided<T>& a, const T* b,
                                       std::int64_t I) {
  constexpr std::int64_t kInner = 1024, kRows = 4096;  // terms, and rows of a, at once
  constexpr std::int64_t kGroup = 8, kChunk = 48;      // panels of b, and rows that meet them
  const std::int64_t C = out.cols();
  const auto add = [&](cpu::Range rows, cpu::Range inner) {
    const std::int64_t R = rows.end - rows.begin, K = inner.end - inner.begin;
    const auto x =
        in_halves<T>({a.at + rows.begin * a.row + inner.begin * a.column, a.row, a.column}, R, K);
    for_rows(panels_of(C), kPanelRows * R * K, [&](std::int64_t begin, std::int64_t end) {
      thread_local std::vector<cpu::Pair> memory;
      const std::int64_t size = kPanelRows * cpu::pairs_in_f16(K);
      cpu::Pair* panels = cpu::at_least(memory, kGroup * size);
      for (std::int64_t first = begin; first < end; first += kGroup) {
        const std::int64_t c = first * kPanelRows,
                           n = std::min(C, std::min(end, first + kGroup) * kPanelRows) - c;
        columns_to_halves(kernels_, panels, Strided<T>{b + inner.begin * C + c, 1, C}, K, n);
        for (std::int64_t r = 0; r < R; r += kChunk)
          kernels_.add_product_of_halves(out.as<float>() + rows.begin * C + c, C, {panels, size, 0},
                                         x, {r, std::min(R, r + kChunk)}, (K + 1) / 2, n);
      }
    });
  };
  for (std::int64_t r = 0; r < out.rows(); r += kRows)
    for (std::int64_t i = 0; i < I; i += kInner)
      add({r, std::min(out.rows(), r + kRows)}, {i, std::min(I, i + kInner)});
}

template cpu::Rows CpuBackend::in_halves(const Strided<float>&, std::int64_t, std::int64_t);
template cpu::Rows CpuBackend::in_halves(const Strided<std::uint16_t>&, std::int64_t, std::int64_t);
template void CpuBackend::add_product_of_halves(const Tensor&, const Strided<float>&, const float*,
                                                std::int64_t);
template void CpuBackend::add_product_of_halves(const Tensor&, const Strided<std::uint16_t>&,
                                                const std::uint16_t*, std::int64_t);

}  // namespace r1
