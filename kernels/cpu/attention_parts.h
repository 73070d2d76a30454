#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
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

struct Half {};  // f32 on its way into a product of halves

// Products whose factors are f32, or rounded to bf16 (T is std::uint16_t) or scaled to halves: then
// terms are pairs.
template <typename T>
class Products {
  static constexpr bool kHalves = std::is_same_v<T, Half>;

 public:
  using Number = std::conditional_t<kHalves, float, T>;
  using Term = cpu::Term<T>;
  using Terms = std::vector<Term>;
  struct Rows {
    const Number* at;
    std::int64_t apart;  // of bf16, even
  };
  using Left = std::conditional_t<kHalves, cpu::Rows, Strided<Term>>;
  struct Right {  // panels, each of `length` terms
    const Term* at;
    std::int64_t length;

    Right from(std::int64_t panel) const { return {at + panel * size(length), length}; }
  };
  static constexpr std::int64_t kColumns = kHalves ? 2 * kPanelRows : kPanelRows;  // together

  explicit Products(const Kernels& kernels) : kernels_(kernels) {}

  static std::int64_t terms(std::int64_t n) { return std::is_same_v<T, float> ? n : (n + 1) / 2; }

  // x [n, width] as a factor, in `room` where it is not x itself. Behind an odd number of bf16
  // stands a zero.
  Rows factor(std::vector<Number>& room, const HeadRows& x, std::int64_t n,
              std::int64_t width) const;
  // What stands on the right of a product: its transpose in panels of 16 rows, or itself in panels
  // of 16 columns.
  Right turn(Terms& room, const Rows& x, std::int64_t n, std::int64_t width) const;
  Right cut(Terms& room, const Rows& x, std::int64_t n, std::int64_t width) const;
  // What stands on the left: itself, or its transpose.
  Left left(Terms& room, const Rows& x, std::int64_t n, std::int64_t width) const;
  Left left_turned(Terms& room, const Rows& x, std::int64_t n, std::int64_t width) const;

  // to [rows, columns] += x [rows, terms] times those terms of w, where to is not empty.
  void add(const HeadRows& to, const Left& x, Range rows, const Right& w, Range terms,
           std::int64_t columns) const;

 private:
  // Of a panel; that of halves begins with its scales.
  static std::int64_t size(std::int64_t terms) { return (terms + kHalves) * kPanelRows; }
  static Term* panels(Terms& room, std::int64_t columns, std::int64_t terms) {
    return at_least(room, (columns + kPanelRows - 1) / kPanelRows * size(terms));
  }

  const Kernels& kernels_;
};

// Calls body(T{}) for the products that are asked for and the processor has: bf16 allows halves.
template <typename Body>
void with_products(const AttentionOptions& options, const Kernels& kernels, const Body& body) {
  const bool rounds = options.products == DType::bf16;
  if (rounds && kernels.has_f16)
    body(Half{});
  else if (rounds && kernels.has_bf16)
    body(std::uint16_t{});
  else
    body(float{});
}

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
  using Right = typename Products<T>::Right;
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
  // z += x [R, hd] times the columns of w.
  void meet(Floats& z, const Factors& x, const Right& w, const Tile& tile);
  // Of products that sum over the columns of a tile.
  Range terms(const Tile& tile) const {
    const std::int64_t first = products_.terms(tile.first);
    return {first, first + products_.terms(tile.J)};
  }
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
  Right turned_{};  // of keys_
  Terms turned_room_, left_room_;
  Floats decay_;   // of the keys; empty without DAW
  Floats scaled_;  // queries of a tile
  std::vector<typename Products<T>::Number> key_room_, query_room_;
};

}  // namespace r1::cpu
