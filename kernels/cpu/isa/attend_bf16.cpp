// Attention of up to 8 query rows of one key head over one page of bf16, whose numbers lie in the
// pairs that are multiplied and summed together: two elements of a key, two positions of a value.
// Where the processor multiplies bf16, q and the weights of the softmax are rounded to it.
#include "kernels/cpu/isa/attend.h"
#include "kernels/cpu/isa/attend_rows.h"
#include "kernels/cpu/isa/quads.h"
#include "kernels/cpu/isa/vector.h"

namespace r1::R1_ISA {
namespace {

using cpu::AttendRow;
using cpu::PastPage;

// z = scale q·k, for what some row sees, in whole registers.
template <int R>
R1_INLINE void products(Scores* z, AttendRow* const* rows, const PastPage& page) {
  constexpr int C = columns(R);
  constexpr std::int64_t kStep = C * kLanes;
  const cpu::Range seen = seen_by_some(rows, R);
  const PairElement* q[std::size_t{R}];
  for (int r = 0; r < R; ++r) q[r] = pairs_of(*rows[r]);
  for (std::int64_t j = seen.begin / kStep * kStep; j < seen.end; j += kStep) {
    Each<Each<Floats, C>, R> sum;
    const auto* key = static_cast<const std::uint16_t*>(page.keys) + 2 * j;
    for (std::int64_t d = 0; d < page.hd; d += 2, key += 2 * kTokens) {
      ask<R, C * kRegister>(key, page.next_keys);
#pragma GCC unroll 2
      for (int step = 0; step < kBf16Steps; ++step) {
        Each<Ints, C> k;
        for (int c = 0; c < C; ++c) k[c] = bf16_of_step(load<Ints>(key + 2 * kLanes * c), step);
        for (int r = 0; r < R; ++r)
          for (int c = 0; c < C; ++c) sum[r][c] = dot_bf16(sum[r][c], k[c], q[r] + d + step);
      }
    }
    for (int r = 0; r < R; ++r)
      for (int c = 0; c < C; ++c) store(z[r] + j + c * kLanes, sum[r][c] * page.scale);
  }
}

R1_INLINE Ints load_pairs(const std::uint16_t* p, std::int64_t n) {
  Ints v{};
  if (n == kLanes) return load<Ints>(p);
  for (std::int64_t i = 0; i < n; ++i) v[i] = load<std::int32_t>(p + 2 * i);
  return v;
}

// A row's weights of a page; 0 where it does not look.
struct Weights {
  PairElement of[std::size_t{kTokens}];

  R1_INLINE void make(const Scores& p, const AttendRow& row) {
    const cpu::Range seen = registers_of<false>(row);
    for (std::int64_t j = 0; j < kTokens; j += kLanes)
      store_pairs(of + j, j >= seen.begin && j < seen.end ? load<Floats>(p + j) : Floats{});
  }
};

// mean += p_j v_j over pairs of positions, in C registers from element d on, of which the last has
// `last` that are there. Of each pair, the bits in `mask`.
template <int R, int C, bool whole = true>
R1_INLINE void add_columns(AttendRow* const* rows, const Weights* p, const PastPage& page,
                           cpu::Range pairs, std::uint32_t mask, std::int64_t d,
                           std::int64_t last = kLanes) {
  const std::int64_t there = whole ? kLanes : last;  // a constant, if it can be
  const auto* values = static_cast<const std::uint16_t*>(page.values) + 2 * d;
  const Ints kept = all(static_cast<std::int32_t>(mask));
  Each<Each<Floats, C>, R> total;
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) total[r][c] = load_n(rows[r]->mean + d + c * kLanes, there);
  for (std::int64_t pair = pairs.begin; pair < pairs.end; ++pair) {
    Each<Ints, C> v;
    ask<R, C * kRegister>(values + 2 * pair * page.hd, page.next_values);
    for (int c = 0; c < C; ++c)
      v[c] = kept & load_pairs(values + 2 * (pair * page.hd + c * kLanes), there);
#pragma GCC unroll 2
    for (int step = 0; step < kBf16Steps; ++step)
      for (int r = 0; r < R; ++r)
        for (int c = 0; c < C; ++c)
          total[r][c] = dot_bf16(total[r][c], bf16_of_step(v[c], step), p[r].of + 2 * pair + step);
  }
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) store_n(rows[r]->mean + d + c * kLanes, total[r][c], there);
}

template <int R>
R1_INLINE void add_pairs(AttendRow* const* rows, const Weights* p, const PastPage& page,
                         cpu::Range pairs, std::uint32_t mask = 0xffffffff) {
  if (pairs.begin >= pairs.end) return;
  constexpr int C = columns(R);
  std::int64_t d = 0;
  for (; d + C * kLanes <= page.hd; d += C * kLanes)
    add_columns<R, C>(rows, p, page, pairs, mask, d);
  for (; d + kLanes <= page.hd; d += kLanes) add_columns<R, 1>(rows, p, page, pairs, mask, d);
  if (d < page.hd) add_columns<R, 1, false>(rows, p, page, pairs, mask, d, page.hd - d);
}

// The same over positions that one row sees. Of a pair of which it sees half, the other half may be
// a value nobody has written, such as a NaN.
R1_INLINE void add_alone(AttendRow* const* row, const Weights* p, const PastPage& page,
                         std::int64_t begin, std::int64_t end) {
  if (begin >= end) return;
  if (begin % 2 != 0) add_pairs<1>(row, p, page, {begin / 2, begin / 2 + 1}, 0xffff0000);
  add_pairs<1>(row, p, page, {(begin + 1) / 2, end / 2});
  if (end % 2 != 0) add_pairs<1>(row, p, page, {end / 2, end / 2 + 1}, 0x0000ffff);
}

// Pairs that all rows see they add together, what only some see by themselves, before and after.
template <int R>
void attend(AttendRow* const* rows, const PastPage& page) {
  Scores z[std::size_t{R}];
  Weights p[std::size_t{R}];
  products<R>(z, rows, page);
  weigh<R>(z, rows, page);
  cpu::Range common = {0, kTokens / 2};
  for (int r = 0; r < R; ++r) {
    p[r].make(z[r], *rows[r]);
    if ((rows[r]->begin + 1) / 2 > common.begin) common.begin = (rows[r]->begin + 1) / 2;
    if (rows[r]->end / 2 < common.end) common.end = rows[r]->end / 2;
  }
  if (common.end < common.begin) common.begin = common.end = kTokens / 2;
  const auto least = [](std::int64_t a, std::int64_t b) { return a < b ? a : b; };
  for (int r = 0; r < R; ++r)
    add_alone(rows + r, p + r, page, rows[r]->begin, least(2 * common.begin, rows[r]->end));
  add_pairs<R>(rows, p, page, common);
  for (int r = 0; r < R; ++r) add_alone(rows + r, p + r, page, 2 * common.end, rows[r]->end);
}

}  // namespace

void attend_bf16(AttendRow* const* rows, int count, const PastPage& page) {
  in_groups(rows, count, [&]<int R>(AttendRow* const* some) { attend<R>(some, page); });
}

}  // namespace r1::R1_ISA
