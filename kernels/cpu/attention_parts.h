#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/strips.h"
#include "lib/backend/backend.h"

// Attention over whole documents as products of matrices: what the way there and the way back
// share.
namespace r1::cpu {

inline constexpr std::int64_t kTile = 64;  // rows that meet all columns that one of them sees

// Rows of one head, or of none.
struct HeadRows {
  float* at = nullptr;
  std::int64_t apart = 0;

  HeadRows from(std::int64_t first) const {
    return at == nullptr ? *this : HeadRows{at + first * apart, apart};
  }
};
// Of a [T, H, hd] tensor, from one on.
inline HeadRows rows_of(const Tensor& x, std::int64_t head, std::int64_t first) {
  if (x.empty()) return {};
  return {row(x, first * x.shape[1] + head), x.shape[1] * x.shape[2]};
}

struct Documents {  // as in Backend::attention
  const Tensor &q, &k, &v, &A, &start;
  const AttentionOptions& options;

  std::int64_t head_size() const { return q.shape[2]; }
  std::int64_t group() const { return q.shape[1] / k.shape[1]; }
  std::int64_t work() const { return q.shape[0] * q.shape.elements(); }
};

// Rows [first, last) of a document that begins at row `begin`, with key head h.
struct Part {
  std::int64_t h, begin, first, last;
  bool ends_document;

  std::int64_t keys() const { return last - begin; }  // that its rows see
  std::int64_t work() const { return (last - first) * (first + last - 2 * begin); }
};
// A long document with few key heads is several parts of equal work, so that all threads have some.
// How many, and their order, the longest first, go by shapes alone, and so do the bits of the sums.
std::vector<Part> parts_of(const Documents& in);

// Products whose factors are f32, or rounded to bf16 (T is std::uint16_t): then terms are pairs.
template <typename T>
class Products {
 public:
  using Terms = std::vector<Term<T>>;
  struct Rows {
    const T* at;
    std::int64_t apart;  // of bf16, even
  };

  explicit Products(const Kernels& kernels) : kernels_(kernels) {}

  static std::int64_t terms(std::int64_t n) { return (n + kTogether<T> - 1) / kTogether<T>; }

  // x [n, width] as a factor, in `room` where it is not x itself. Behind an odd number of bf16
  // stands a zero.
  Rows factor(std::vector<T>& room, const HeadRows& x, std::int64_t n, std::int64_t width) const;
  // Its transpose in panels [n / 16, terms of the width, 16], or itself in strips [width / 16,
  // terms of n, 16]: what stands on the right of a product.
  void turn(Terms& panels, const Rows& x, std::int64_t n, std::int64_t width) const;
  void cut(Terms& strips, const Rows& x, std::int64_t n, std::int64_t width) const;
  // What stands on the left: itself, or its transpose.
  Strided<Term<T>> left(const Rows& x) const;
  Strided<Term<T>> left_turned(Terms& room, const Rows& x, std::int64_t n,
                               std::int64_t width) const;

  // to [rows, columns] += x [rows, K terms] times one panel.
  void add(float* to, std::int64_t apart, const Strided<Term<T>>& x, Range rows, std::int64_t K,
           const Term<T>* panel, std::int64_t columns) const;
  // to [R, width] += x [R, K terms] times strips, each of `length` terms, where to is not empty.
  void add(const HeadRows& to, std::int64_t R, std::int64_t width, const Strided<Term<T>>& x,
           std::int64_t K, const Term<T>* strips, std::int64_t length) const;

 private:
  const Kernels& kernels_;
};

// Rows t … t + R - 1 of query head r, and the J columns of their document from `first` on, which
// some row sees. Matrices of them have rows of `pitch` numbers, an even number.
struct Tile {
  std::int64_t r, t, R, first, J, pitch;
};

// The scores of a part, tile by tile.
template <typename T>
class TileScores {
 public:
  using Factors = typename Products<T>::Rows;
  using Terms = typename Products<T>::Terms;
  using Floats = std::vector<float>;

  TileScores(const Kernels& kernels, const Documents& in)
      : products_(kernels), in_(in), hd_(in.head_size()) {}

  void enter(const Part& part);
  std::int64_t keys() const { return end_ - begin_; }
  const Factors& key_factors() const { return keys_; }  // [keys, hd]

  // Calls body(tile) for all tiles of the part.
  template <typename Body>
  void for_tiles(const Part& part, const Body& body) const {
    for (std::int64_t r = part.h * in_.group(); r < (part.h + 1) * in_.group(); ++r)
      for (std::int64_t t = part.first; t < part.last; t += kTile)
        body(tile(r, t, std::min(part.last, t + kTile)));
  }

  // z [R, J] = scale q k + A_i - A_j.
  void score(Floats& z, const Tile& tile);
  // z += x [R, hd] times the columns of panels.
  void meet(Floats& z, const Factors& x, const Terms& panels, const Tile& tile) const;
  // The columns that row i of a tile sees, and zeros in place of all others.
  Range seen(const Tile& tile, std::int64_t i) const {
    const std::int64_t row = tile.t + i, column = begin_ + tile.first;
    return {first_seen(begin_, row, in_.options.window) - column, row + 1 - column};
  }
  void clear_unseen(float* z, const Tile& tile, std::int64_t i) const {
    std::fill(z, z + seen(tile, i).begin, 0.0f);
    std::fill(z + seen(tile, i).end, z + tile.pitch, 0.0f);
  }

 private:
  Tile tile(std::int64_t r, std::int64_t t, std::int64_t last) const;

  const Products<T> products_;
  const Documents& in_;
  const std::int64_t hd_;
  std::int64_t begin_ = 0, end_ = 0;  // of the part's keys: rows
  Factors keys_{};
  Terms panels_;   // of keys_
  Floats decay_;   // of the keys; empty without DAW
  Floats scaled_;  // queries of a tile
  std::vector<T> key_room_, query_room_;
};

}  // namespace r1::cpu
