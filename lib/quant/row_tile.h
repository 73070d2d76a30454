#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lib/quant/block_type.h"
#include "lib/quant/eight_rows.h"
#include "lib/quant/product.h"

namespace r1::quant {

// What rounding is to keep small: e H e^T for the e = w - decoded of a row, H = R R^T with R upper
// triangular.
struct Metric {
  std::int64_t K;
  // [K, K]: H on and below the diagonal, M_jk = R_jk / R_kk above it.
  MatrixView<const float> matrix;
  const float* importance;  // [K]: R_kk^2
};

// Rows on their way to blocks, some at a time, so that what is read of the matrix is used as often.
class RowTile {
 public:
  static constexpr std::int64_t kRows = 192;

  RowTile(const Metric& metric, const BlockType& type);

  // Takes w [count, K], count <= kRows, and in one pass from the first column to the last searches
  // the scales of the blocks and chooses the levels: what a column loses is made good by those
  // after it.
  void feed_back(const float* w, std::int64_t count);
  // One more pass: each column takes the level that is best beside all others as they are now, and
  // before that each block of 32 its best step.
  void descend();
  void write(std::byte* blocks) const;  // [count, K] of the type

 private:
  void choose_scales(std::int64_t at);
  Steps steps(std::int64_t row, std::int64_t at);
  EightRows eight(std::int64_t row, std::int64_t at);
  BlockGrid& grid(std::int64_t row, std::int64_t at) {
    return grids_[static_cast<std::size_t>((row * metric_.K + at) / elements_)];
  }

  Metric metric_;
  BlockType type_;
  Levels shape_;
  std::int64_t elements_;
  std::int64_t count_ = 0, rows_ = 0;  // rows_: with those of zeros that make eights of them
  std::vector<float> lost_;            // [kRows, K]: w, then w - decoded
  std::vector<std::int8_t> levels_;    // [kRows, K]
  std::vector<BlockGrid> grids_;       // [kRows, blocks of a row]
  std::vector<float> work_;            // [kRows, a batch of columns]
};

}  // namespace r1::quant
