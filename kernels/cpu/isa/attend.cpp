// Attention of up to 8 query rows of one key head over one page of f32 or f16, 64 positions. Keys
// lie position by position for each element, so that a register holds the scores of as many
// positions as it has lanes and no sum crosses lanes; a page is widened once for all its rows. What
// a row becomes does not depend on the others. Online softmax, arXiv:1805.02867; tiles as in
// arXiv:2205.14135.
#include "kernels/cpu/isa/attend.h"

#include "kernels/cpu/isa/attend_rows.h"
#include "kernels/cpu/isa/vector.h"

namespace r1::R1_ISA {
namespace {

using cpu::AttendRow;
using cpu::PastPage;

// z = scale q·k, for what some row sees, in whole registers.
template <int R, typename T>
R1_INLINE void products(Scores* z, AttendRow* const* rows, const PastPage& page) {
  constexpr int C = columns(R);
  constexpr std::int64_t kStep = C * kLanes;
  const cpu::Range seen = seen_by_some(rows, R);
  const float* q[std::size_t{R}];
  for (int r = 0; r < R; ++r) q[r] = rows[r]->q;
  for (std::int64_t j = seen.begin / kStep * kStep; j < seen.end; j += kStep) {
    Each<Each<Floats, C>, R> sum;
    const T* key = static_cast<const T*>(page.keys) + j;
    for (std::int64_t d = 0; d < page.hd; ++d, key += kTokens) {
      ask<R, C * kLanes * sizeof(T)>(key, page.next_keys);
      Each<Floats, C> k;
      for (int c = 0; c < C; ++c) k[c] = widen(key + c * kLanes);
      for (int r = 0; r < R; ++r)
        for (int c = 0; c < C; ++c) sum[r][c] = multiply_add(all(q[r][d]), k[c], sum[r][c]);
    }
    for (int r = 0; r < R; ++r)
      for (int c = 0; c < C; ++c) store(z[r] + j + c * kLanes, sum[r][c] * page.scale);
  }
}

// mean += p_j v_j for begin <= j < end, in C registers from element d on; `last` of the last.
template <int R, int C, typename T>
R1_INLINE void add_columns(AttendRow* const* rows, const Scores* p, const PastPage& page,
                           cpu::Range seen, std::int64_t d, std::int64_t last) {
  const auto there = [last](int c) { return c + 1 < C ? kLanes : last; };
  const T* values = static_cast<const T*>(page.values) + d;
  Each<Each<Floats, C>, R> total;
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) total[r][c] = load_n(rows[r]->mean + d + c * kLanes, there(c));
  for (std::int64_t j = seen.begin; j < seen.end; ++j) {
    ask<R, C * kLanes * sizeof(T)>(values + j * page.hd, page.next_values);
    Each<Floats, C> v;
    for (int c = 0; c < C; ++c) v[c] = widen_n(values + j * page.hd + c * kLanes, there(c));
    for (int r = 0; r < R; ++r)
      for (int c = 0; c < C; ++c) total[r][c] = multiply_add(all(p[r][j]), v[c], total[r][c]);
  }
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) store_n(rows[r]->mean + d + c * kLanes, total[r][c], there(c));
}

template <int R, typename T>
R1_INLINE void add_values(AttendRow* const* rows, const Scores* p, const PastPage& page,
                          cpu::Range seen) {
  constexpr int C = columns(R);
  std::int64_t d = 0;
  for (; d + C * kLanes <= page.hd; d += C * kLanes)
    add_columns<R, C, T>(rows, p, page, seen, d, kLanes);
  for (; d < page.hd; d += kLanes)
    add_columns<R, 1, T>(rows, p, page, seen, d, page.hd - d < kLanes ? page.hd - d : kLanes);
}

// What all rows see of the page they add together, what only some see by themselves, before and
// after: a weight of 0 would not do, since a value nobody has written may be NaN.
template <int R, typename T>
void attend(AttendRow* const* rows, const PastPage& page) {
  Scores z[std::size_t{R}];
  products<R, T>(z, rows, page);
  weigh<R>(z, rows, page);
  const cpu::Range common = seen_by_all(rows, R);
  const auto alone = [&](int r, std::int64_t begin, std::int64_t end) {
    if (begin < end) add_values<1, T>(rows + r, z + r, page, {begin, end});
  };
  const auto least = [](std::int64_t a, std::int64_t b) { return a < b ? a : b; };
  for (int r = 0; r < R; ++r) alone(r, rows[r]->begin, least(common.begin, rows[r]->end));
  if (common.begin < common.end) add_values<R, T>(rows, z, page, common);
  for (int r = 0; r < R; ++r) alone(r, common.end, rows[r]->end);
}

template <typename T>
void attend_all(AttendRow* const* rows, int count, const PastPage& page) {
  in_groups(rows, count, [&]<int R>(AttendRow* const* some) { attend<R, T>(some, page); });
}

}  // namespace

void attend_f32(AttendRow* const* rows, int count, const PastPage& page) {
  attend_all<float>(rows, count, page);
}
#if !defined(__AVX512FP16__)
void attend_f16(AttendRow* const* rows, int count, const PastPage& page) {
  attend_all<F16>(rows, count, page);
}
#endif

}  // namespace r1::R1_ISA
