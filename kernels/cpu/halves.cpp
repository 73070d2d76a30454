// Products of plain matrices in halves, where the processor multiplies those: each row of the one
// and each column of the other is scaled by a power of two on its way, some terms at a time.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {

using cpu::kPanelRows;
using cpu::Strided;

namespace {

std::int64_t panels_of(std::int64_t rows) { return (rows + kPanelRows - 1) / kPanelRows; }

template <typename T>
void columns_in_halves(const cpu::Kernels& kernels, cpu::Pair* panels, const T* x,
                       std::int64_t stride, std::int64_t K, std::int64_t n) {
  if constexpr (std::is_same_v<T, float>)
    kernels.columns_to_f16(panels, x, stride, K, n);
  else
    kernels.columns_of_bf16_to_f16(panels, x, stride, K, n);
}

}  // namespace

template <typename T>
cpu::Rows CpuBackend::in_halves(const Strided<T>& x, std::int64_t R, std::int64_t K) {
  const std::int64_t size = cpu::pairs_in_f16(K), panels = panels_of(R);
  cpu::Pair* pairs = cpu::at_least(pairs_, panels * kPanelRows * size);
  if (x.column != 1) {
    for_rows(panels, kPanelRows * K, [&](std::int64_t begin, std::int64_t end) {
      begin *= kPanelRows;
      columns_in_halves(kernels_, pairs + begin * size, x.at + begin, x.column, K,
                        std::min(R, end * kPanelRows) - begin);
    });
    return {.f16 = {pairs, 1, kPanelRows}};
  }
  for_rows(R, K, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      if constexpr (std::is_same_v<T, float>)
        kernels_.scale_to_f16(pairs + r * size, x.at + r * x.row, K, cpu::kFactorsBelow);
      else
        kernels_.scale_bf16_to_f16(pairs + r * size, x.at + r * x.row, K, cpu::kFactorsBelow);
  });
  return {.f16 = {pairs, size, 1}};
}

// Panels of columns of b are laid by whoever multiplies them, and stay in the second cache with
// some rows of a.
template <typename T>
void CpuBackend::add_product_of_halves(const Tensor& out, const Strided<T>& a, const T* b,
                                       std::int64_t I) {
  constexpr std::int64_t kInner = 1024, kRows = 4096, kGroup = 8, kChunk = 48;
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
        columns_in_halves(kernels_, panels, b + inner.begin * C + c, C, K, n);
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
