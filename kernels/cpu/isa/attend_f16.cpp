// Attention of up to 8 query rows of one key head over one page of f16, where the processor
// multiplies halves: q and the weights of the softmax become halves too, so small that no sum of 64
// products is infinite, whatever the page holds. Sums go over into f32 after 64 terms.
#include "kernels/cpu/isa/attend.h"

#if defined(__AVX512FP16__)

#include "kernels/cpu/isa/attend_rows.h"
#include "kernels/cpu/isa/quads.h"
#include "kernels/cpu/isa/vector.h"

namespace r1::R1_ISA {
namespace {

using cpu::AttendRow;
using cpu::PastPage;
using cpu::Range;

constexpr std::int64_t kHalves = 2 * kLanes;  // in a register
static_assert(kTokens == 2 * kHalves && kTokens == kHalfTerms);

// z = scale q·k for C registers of positions from j on.
template <int R, int C>
R1_INLINE void products(Scores* z, AttendRow* const* rows, const PastPage& page, std::int64_t j) {
  const std::uint16_t* q[std::size_t{R}];
  for (int r = 0; r < R; ++r) q[r] = rows[r]->halves;
  const auto* key = static_cast<const std::uint16_t*>(page.keys) + j;
  for (std::int64_t first = 0; first < page.hd; first += kHalfTerms) {
    const std::int64_t last = first + kHalfTerms < page.hd ? first + kHalfTerms : page.hd;
    Each<Each<Halves, C>, R> sum;
    for (std::int64_t d = first; d < last; ++d, key += kTokens) {
      ask<R, C * kRegister>(key, page.next_keys);
      Each<Halves, C> k;
      for (int c = 0; c < C; ++c) k[c] = load<Halves>(key + c * kHalves);
      for (int r = 0; r < R; ++r) {
        const auto pair = load<std::int32_t>(q[r] + 2 * d);
        for (int c = 0; c < C; ++c) sum[r][c] = add_pairs(sum[r][c], k[c], pair);
      }
    }
    for (int r = 0; r < R; ++r)
      for (int c = 0; c < C; ++c) {
        float* to = z[r] + j + c * kHalves;
        Each<Floats, 2> wide;
        add_widened(wide, sum[r][c]);
        for (int i = 0; i < 2; ++i, to += kLanes) {
          const Floats part = wide[i] * (rows[r]->step * page.scale);
          store(to, first == 0 ? part : load<Floats>(to) + part);
        }
      }
  }
}

template <int R>
R1_INLINE void products(Scores* z, AttendRow* const* rows, const PastPage& page) {
  const Range seen = seen_by_some(rows, R);
  if (seen.begin < kHalves && seen.end > kHalves)
    products<R, 2>(z, rows, page, 0);
  else
    products<R, 1>(z, rows, page, seen.begin / kHalves * kHalves);
}

// A row's weights of a page, each of them twice: times 2^-6, so that the sum of all is 1 at most.
constexpr float kSmaller = 1.0f / kTokens;
struct Weights {
  std::int32_t of[std::size_t{kTokens}];

  R1_INLINE void make(const Scores& p, const AttendRow& row) {
    const Range seen = registers_of<false>(row);
    for (std::int64_t j = seen.begin; j < seen.end; j += kLanes) {
      const HalfRegister halves = to_halves(load<Floats>(p + j) * kSmaller);
      const Words once = widen_words(&halves);
      store(of + j, bits<Floats>(once | once << 16));
    }
  }
};

R1_INLINE Halves load_halves(const std::uint16_t* p, std::int64_t n) {
  if (n == kHalves) return load<Halves>(p);
  std::uint16_t room[std::size_t{kHalves}] = {};
  for (std::int64_t i = 0; i < n; ++i) room[i] = p[i];
  return load<Halves>(room);
}

// What R rows see of elements d … of values, in C registers, of which the last has `last` that are
// there; a row's sum does not depend on how its positions are cut.
template <int R, int C>
R1_INLINE void add_values(Each<Halves, C>* sum, const Weights* p, const PastPage& page, Range seen,
                          std::int64_t d, std::int64_t last) {
  const auto* values = static_cast<const std::uint16_t*>(page.values) + d;
  Each<Each<Halves, C>, R> total;
  for (int r = 0; r < R; ++r) total[r] = sum[r];
  for (std::int64_t j = seen.begin; j < seen.end; ++j) {
    const std::uint16_t* value = values + j * page.hd;
    ask<R, C * kRegister>(value, page.next_values);
    Each<Halves, C> v;
    for (int c = 0; c < C; ++c) v[c] = load_halves(value + c * kHalves, c + 1 < C ? kHalves : last);
    for (int r = 0; r < R; ++r)
      for (int c = 0; c < C; ++c) total[r][c] = add_pairs(total[r][c], v[c], p[r].of[j]);
  }
  for (int r = 0; r < R; ++r) sum[r] = total[r];
}

// mean += the weighted values of the page. What all rows see they add together, what only some see
// by themselves, before and after: a weight of 0 would not do, since a value nobody has written may
// be NaN.
template <int R, int C>
R1_INLINE void add_columns(AttendRow* const* rows, const Weights* p, const PastPage& page,
                           Range common, std::int64_t d, std::int64_t last) {
  Each<Halves, C> sum[std::size_t{R}];
  const auto alone = [&](int r, std::int64_t begin, std::int64_t end) {
    if (begin < end) add_values<1, C>(sum + r, p + r, page, {begin, end}, d, last);
  };
  for (int r = 0; r < R; ++r)
    alone(r, rows[r]->begin, common.begin < rows[r]->end ? common.begin : rows[r]->end);
  if (common.begin < common.end) add_values<R, C>(sum, p, page, common, d, last);
  for (int r = 0; r < R; ++r) alone(r, common.end, rows[r]->end);
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) {
      Each<Floats, 2> wide;
      add_widened(wide, sum[r][c]);
      for (int i = 0; i < 2; ++i) {
        const std::int64_t at = c * kHalves + i * kLanes, left = (C - 1) * kHalves + last - at;
        if (left <= 0) break;
        float* mean = rows[r]->mean + d + at;
        const std::int64_t n = left < kLanes ? left : kLanes;
        store_n(mean, multiply_add(wide[i], all(1.0f / kSmaller), load_n(mean, n)), n);
      }
    }
}

template <int R>
void attend(AttendRow* const* rows, const PastPage& page) {
  Scores z[std::size_t{R}];
  Weights p[std::size_t{R}];
  products<R>(z, rows, page);
  weigh<R>(z, rows, page);
  for (int r = 0; r < R; ++r) p[r].make(z[r], *rows[r]);
  const Range common = seen_by_all(rows, R);
  std::int64_t d = 0;
  for (; d + 2 * kHalves <= page.hd; d += 2 * kHalves)
    add_columns<R, 2>(rows, p, page, common, d, kHalves);
  for (; d < page.hd; d += kHalves)
    add_columns<R, 1>(rows, p, page, common, d, page.hd - d < kHalves ? page.hd - d : kHalves);
}

}  // namespace

void attend_f16(AttendRow* const* rows, int count, const PastPage& page) {
  in_groups(rows, count, [&]<int R>(AttendRow* const* some) { attend<R>(some, page); });
}

}  // namespace r1::R1_ISA

#endif
