#pragma once

#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/isa/vector.h"

namespace r1::R1_ISA {

// What attention over a page does with each row, whatever the page holds.

inline constexpr std::int64_t kTokens = cpu::kPagePositions;
inline constexpr float kNothing = -__builtin_inff();

using Scores = float[std::size_t{kTokens}];  // of a row, then its weights

// Registers in use at once for each of R rows.
constexpr int columns(int R) {
  const int most = (kRegister == 64 ? 16 : 8) / R;
  return most > 4 ? 4 : most;
}

// Asks for what the next page has in the place of these bytes, as far as the second cache, where R
// rows keep the machine at work so long that it fetches too late. One row streams by itself, page
// behind page, and asking would take room among the loads that are under way.
template <int R, int bytes>
R1_INLINE void ask(const void* here, std::ptrdiff_t next) {
  constexpr int kSecondCache = 2;
  if (R > 1)
    for (int i = 0; i < bytes; i += 64)
      __builtin_prefetch(static_cast<const char*>(here) + next + i, 0, kSecondCache);
}

// The positions of a page that some row sees.
R1_INLINE cpu::Range seen_by_some(cpu::AttendRow* const* rows, int count) {
  cpu::Range seen = {rows[0]->begin, rows[0]->end};
  for (int r = 1; r < count; ++r) {
    if (rows[r]->begin < seen.begin) seen.begin = rows[r]->begin;
    if (rows[r]->end > seen.end) seen.end = rows[r]->end;
  }
  return seen;
}

// Those that all rows see; begin == end where there are none.
R1_INLINE cpu::Range seen_by_all(cpu::AttendRow* const* rows, int count) {
  cpu::Range seen = {0, kTokens};
  for (int r = 0; r < count; ++r) {
    if (rows[r]->begin > seen.begin) seen.begin = rows[r]->begin;
    if (rows[r]->end < seen.end) seen.end = rows[r]->end;
  }
  if (seen.end < seen.begin) seen.begin = seen.end = kTokens;
  return seen;
}

// One number for each of R rows, in whole registers.
template <int R>
struct PerRow {
  float of[std::size_t{(R + kLanes - 1) / kLanes * kLanes}]{};
};

// What a row sees of a page, in whole registers. Most pages are seen whole, and the loops have a
// fixed length then.
template <bool whole>
R1_INLINE cpu::Range registers_of(const cpu::AttendRow& row) {
  if constexpr (whole) return {0, kTokens};
  return {row.begin / kLanes * kLanes, (row.end + kLanes - 1) / kLanes * kLanes};
}

// v at positions from j on, and `other` at those that the row does not see. Were numbers put into
// memory instead, what then loads a register of them would wait for each.
R1_INLINE Floats where_seen(const cpu::AttendRow& row, std::int64_t j, Floats v, float other) {
  static constexpr std::int32_t kCount[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const Ints at = load<Ints>(kCount) + static_cast<std::int32_t>(j);
  const Ints is_seen =
      (at >= static_cast<std::int32_t>(row.begin)) & (at < static_cast<std::int32_t>(row.end));
  return is_seen ? v : all(other);
}

// Turns scores of rows into weights by e^largest, and what the rows have so far too. Weights of
// what a row does not see are 0 or, in other registers than those it sees, not there.
template <int R, bool whole>
R1_INLINE void weigh_seen(Scores* z, cpu::AttendRow* const* rows, const cpu::PastPage& page) {
  Floats most[std::size_t{R}], total[std::size_t{R}];
  PerRow<R> before, top, added, keep;
  for (int r = 0; r < R; ++r) {
    const cpu::AttendRow& row = *rows[r];
    const cpu::Range seen = registers_of<whole>(row);
    before.of[r] = row.largest;
    most[r] = all(row.largest);
    for (std::int64_t j = seen.begin; j < seen.end; j += kLanes) {
      Floats v = load<Floats>(z[r] + j);
      if (page.decay != nullptr) v = v + (row.own - load<Floats>(page.decay + j));
      if (!whole) v = where_seen(row, j, v, kNothing);
      if (!whole || page.decay != nullptr) store(z[r] + j, v);
      most[r] = larger(most[r], v);
    }
  }
  fold_each<R>(top.of, most, Larger{});
  for (int r = 0; r < R; ++r) {
    const cpu::Range seen = registers_of<whole>(*rows[r]);
    total[r] = Floats{};
    for (std::int64_t j = seen.begin; j < seen.end; j += kLanes) {
      const Floats e = exp(load<Floats>(z[r] + j) - top.of[r]);
      store(z[r] + j, e);
      total[r] += e;
    }
  }
  fold_each<R>(added.of, total, Sum{});
  bool same = true;
  for (int r = 0; r < R; ++r) same = same && top.of[r] == before.of[r];
  if (same) {
    for (int r = 0; r < R; ++r) rows[r]->sum += added.of[r];
    return;
  }
  for (int i = 0; i < R; i += kLanes)
    store(keep.of + i, exp(load<Floats>(before.of + i) - load<Floats>(top.of + i)));
  for (int r = 0; r < R; ++r) {
    cpu::AttendRow& row = *rows[r];
    row.sum = row.sum * keep.of[r] + added.of[r];
    if (top.of[r] == row.largest) continue;  // e^0 = 1 changes nothing
    row.largest = top.of[r];
    std::int64_t d = 0;
    for (; d + kLanes <= page.hd; d += kLanes)
      store(row.mean + d, load<Floats>(row.mean + d) * keep.of[r]);
    for (; d < page.hd; ++d) row.mean[d] *= keep.of[r];
  }
}

template <int R>
R1_INLINE void weigh(Scores* z, cpu::AttendRow* const* rows, const cpu::PastPage& page) {
  bool whole = true;
  for (int r = 0; r < R; ++r) whole = whole && rows[r]->begin == 0 && rows[r]->end == kTokens;
  if (whole)
    weigh_seen<R, true>(z, rows, page);
  else
    weigh_seen<R, false>(z, rows, page);
}

// Calls run<R>(rows) for all rows, as many as there are at a time: 8, 4, 2, 1.
template <typename Run>
R1_INLINE void in_groups(cpu::AttendRow* const* rows, int count, const Run& run) {
  for (; count >= 8; rows += 8, count -= 8) run.template operator()<8>(rows);
  if (count >= 4) run.template operator()<4>(rows), rows += 4, count -= 4;
  if (count >= 2) run.template operator()<2>(rows), rows += 2, count -= 2;
  if (count >= 1) run.template operator()<1>(rows);
}

}  // namespace r1::R1_ISA
