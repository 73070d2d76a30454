#pragma once

#include <cstring>

#include "lib/quant/product.h"

namespace r1::quant {

// One for each place that compiles the products below: of two of one type the linker keeps one.
using FourFloats [[gnu::vector_size(16)]] = float;   // any machine
using EightFloats [[gnu::vector_size(32)]] = float;  // product_avx2.cpp alone

inline constexpr int kPanelColumns = 16, kPanelDepth = 256;
inline constexpr std::int64_t kTileRows = 6;
// 16 KiB, which stay in the first cache.
using Panel = float[kPanelDepth][kPanelColumns];

// c [rows, 16] += a [rows, depth] panel, in vectors V: six rows by two vectors are twelve sums,
// which stay in registers. Products and sums are rounded apart, so that every V gives the same
// bits.
template <typename V, std::int64_t rows>
void add_tile(MatrixView<float> c, MatrixView<const float> a, const Panel& panel, int depth) {
  constexpr int n = sizeof(V) / sizeof(float);
  for (int column = 0; column < kPanelColumns; column += 2 * n) {
    V left[std::size_t{rows}], right[std::size_t{rows}];
    for (int r = 0; r < rows; ++r) {
      std::memcpy(&left[r], c.row(r) + column, sizeof(V));
      std::memcpy(&right[r], c.row(r) + column + n, sizeof(V));
    }
    for (int k = 0; k < depth; ++k) {
      V b_left, b_right;
      std::memcpy(&b_left, panel[k] + column, sizeof(V));
      std::memcpy(&b_right, panel[k] + column + n, sizeof(V));
      for (int r = 0; r < rows; ++r) {
        const V one = a.row(r)[k] - V{};
        left[r] += one * b_left;
        right[r] += one * b_right;
      }
    }
    for (int r = 0; r < rows; ++r) {
      std::memcpy(c.row(r) + column, &left[r], sizeof(V));
      std::memcpy(c.row(r) + column + n, &right[r], sizeof(V));
    }
  }
}

// c [m, 16] += a [m, depth] panel.
template <typename V>
void add_rows(MatrixView<float> c, MatrixView<const float> a, const Panel& panel, std::int64_t m,
              int depth) {
  std::int64_t r = 0;
  for (; r + kTileRows <= m; r += kTileRows) {
    for (std::int64_t next = r + kTileRows; next < r + 2 * kTileRows && next < m; ++next)
      __builtin_prefetch(c.row(next));
    add_tile<V, kTileRows>({c.row(r), c.stride}, {a.row(r), a.stride}, panel, depth);
  }
  for (; r < m; ++r) add_tile<V, 1>({c.row(r), c.stride}, {a.row(r), a.stride}, panel, depth);
}

using AddRows = void (*)(MatrixView<float>, MatrixView<const float>, const Panel&, std::int64_t,
                         int);
extern const AddRows kAddRowsAvx2;

}  // namespace r1::quant
