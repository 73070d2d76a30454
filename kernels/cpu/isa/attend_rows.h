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

// Of the positions low … high - 1, whole registers.
R1_INLINE void weigh_registers(float* z, cpu::AttendRow& row, std::int64_t hd, std::int64_t low,
                               std::int64_t high) {
  Floats most = all(row.largest);
  for (std::int64_t j = low; j < high; j += kLanes) most = larger(most, load<Floats>(z + j));
  const float top = largest(most);
  Floats total{};
  for (std::int64_t j = low; j < high; j += kLanes) {
    const Floats e = exp(load<Floats>(z + j) - top);
    store(z + j, e);
    total += e;
  }
  const float added = sum(total);
  if (top == row.largest) {  // e^0 = 1 would change nothing
    row.sum += added;
    return;
  }
  const float keep = exp(all(row.largest - top))[0];
  row.sum = row.sum * keep + added;
  row.largest = top;
  std::int64_t d = 0;
  for (; d + kLanes <= hd; d += kLanes) store(row.mean + d, load<Floats>(row.mean + d) * keep);
  for (; d < hd; ++d) row.mean[d] *= keep;
}

// Turns a row's scores into weights by e^largest, and what it has so far too. Weights of what it
// does not see are 0 or not there. Most pages are seen whole, and the loops have a fixed length
// then.
R1_INLINE void weigh(Scores& z, cpu::AttendRow& row, const cpu::PastPage& page) {
  const std::int64_t low = row.begin / kLanes * kLanes, high = row.end;
  if (page.decay != nullptr)
    for (std::int64_t j = low; j < high; j += kLanes)
      store(z + j, load<Floats>(z + j) + (row.own - load<Floats>(page.decay + j)));
  for (std::int64_t j = low; j < row.begin; ++j) z[j] = kNothing;
  for (std::int64_t j = high; j % kLanes != 0; ++j) z[j] = kNothing;
  if (row.begin == 0 && row.end == kTokens)
    weigh_registers(z, row, page.hd, 0, kTokens);
  else
    weigh_registers(z, row, page.hd, low, high);
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
