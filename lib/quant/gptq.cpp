#include "lib/quant/gptq.h"

#include <algorithm>
#include <cassert>
#include <cstddef>

#include "lib/quant/factor.h"
#include "lib/quant/row_tile.h"

namespace r1 {

using quant::MatrixView;
using quant::RowTile;

namespace {

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

// Below the diagonal the same as above it; in squares, which stay in the cache.
void mirror(MatrixView<float> h, std::int64_t K, ThreadPool& pool) {
  constexpr std::int64_t kSide = 32;
  pool.for_ranges(K, kSide, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; i += kSide)
      for (std::int64_t j = 0; j <= i; j += kSide)
        for (std::int64_t row = i; row < std::min(i + kSide, K); ++row)
          for (std::int64_t k = j; k < std::min(j + kSide, row); ++k) h.row(row)[k] = h.row(k)[row];
  });
}

// Raises the diagonal, by a little also where it is zero; returns by how much [K].
std::vector<float> damp(MatrixView<float> h, std::int64_t K, double damping) {
  constexpr double kOfMean = 1e-4;
  double trace = 0;
  for (std::int64_t k = 0; k < K; ++k) trace += double{h.row(k)[k]};
  const double floor = trace > 0 ? kOfMean * trace / static_cast<double>(K) : 1.0;
  std::vector<float> raised(size(K));
  for (std::int64_t k = 0; k < K; ++k) {
    float& element = h.row(k)[k];
    raised[size(k)] = static_cast<float>(damping * (double{element} + floor));
    element += raised[size(k)];
  }
  return raised;
}

}  // namespace

void add_to_hessian(std::span<float> hessian, std::span<const float> x, std::int64_t K,
                    ThreadPool& pool) {
  constexpr std::int64_t kInputs = 256, kColumns = 16;  // at a time
  const std::int64_t T = std::ssize(x) / K;
  std::vector<float> transposed(size(K * kInputs));
  const MatrixView<float> columns{transposed.data(), kInputs};  // [K, n]
  for (std::int64_t t = 0; t < T; t += kInputs) {
    const MatrixView<const float> inputs{x.data() + t * K, K};
    const std::int64_t n = std::min(kInputs, T - t);
    pool.for_ranges(K, kColumns, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t begin = first; begin < last; begin += kColumns)
        for (std::int64_t i = 0; i < n; ++i)
          for (std::int64_t k = begin; k < begin + kColumns; ++k)
            columns.row(k)[i] = inputs.row(i)[k];
    });
    quant::add_upper({hessian.data(), K}, columns, inputs, K, n, pool);
  }
}

Gptq::Gptq(std::vector<float> hessian, std::int64_t K, ThreadPool& pool, double damping)
    : K_(K), pool_(pool), matrix_(std::move(hessian)), importance_(size(K)) {
  assert(std::ssize(matrix_) == K * K && K % 32 == 0 && damping >= 1e-3);
  const MatrixView<float> rows{matrix_.data(), K};
  const std::vector<float> raised = damp(rows, K, damping);
  mirror(rows, K, pool);
  std::vector<float> diagonal(size(K)), inverse(size(K));
  for (std::int64_t k = 0; k < K; ++k) diagonal[size(k)] = rows.row(k)[k];
  quant::factor_upper(matrix_, K, raised, pool);  // no pivot can be less than what was added to it
  for (std::int64_t k = 0; k < K; ++k) {
    const float r = rows.row(k)[k];
    importance_[size(k)] = r * r;
    inverse[size(k)] = 1.0f / r;
    rows.row(k)[k] = diagonal[size(k)];
  }
  pool.for_ranges(K, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t j = first; j < last; ++j)
      for (std::int64_t k = j + 1; k < K; ++k) rows.row(j)[k] *= inverse[size(k)];
  });
}

void Gptq::quantize(void* blocks, std::span<const float> w, const quant::BlockType& type,
                    int sweeps) const {
  assert(K_ % type.elements() == 0 && std::ssize(w) % K_ == 0);
  const std::int64_t row_bytes = K_ / type.elements() * static_cast<std::int64_t>(type.bytes());
  const quant::Metric metric{K_, {matrix_.data(), K_}, importance_.data()};
  pool_.for_ranges(std::ssize(w) / K_, 1, [&](std::int64_t first, std::int64_t last) {
    RowTile tile(metric, type);
    for (std::int64_t row = first; row < last; row += RowTile::kRows) {
      tile.feed_back(w.data() + row * K_, std::min(RowTile::kRows, last - row));
      for (int i = 0; i < sweeps; ++i) tile.descend();
      tile.write(static_cast<std::byte*>(blocks) + row * row_bytes);
    }
  });
}

}  // namespace r1
