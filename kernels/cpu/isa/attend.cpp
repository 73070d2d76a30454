// Attention of up to 8 query rows of one key head over one page, 64 positions. Keys lie position by
// position for each element, so that a register holds the scores of as many positions as it has
// lanes and no sum crosses lanes; a page is widened once for all its rows. What a row becomes does
// not depend on the others. Online softmax, arXiv:1805.02867; tiles as in arXiv:2205.14135.
#include "kernels/cpu/isa/attend.h"

#include "kernels/cpu/isa/vector.h"

namespace r1::R1_ISA {
namespace {

using cpu::AttendRow;
using cpu::PastPage;

constexpr std::int64_t kTokens = cpu::kPagePositions;
constexpr float kNothing = -__builtin_inff();

using Scores = float[std::size_t{kTokens}];  // of a row, then its weights

// Registers in use at once for each of R rows.
constexpr int columns(int R) {
  const int most = (kRegister == 64 ? 16 : 8) / R;
  return most > 4 ? 4 : most;
}

// z = scale q·k, for the whole page.
template <int R, typename T>
R1_INLINE void products(Scores* z, AttendRow* const* rows, const PastPage& page) {
  constexpr int C = columns(R);
  const float* q[std::size_t{R}];
  for (int r = 0; r < R; ++r) q[r] = rows[r]->q;
  for (std::int64_t j = 0; j < kTokens; j += C * kLanes) {
    Each<Each<Floats, C>, R> sum;
    const T* key = static_cast<const T*>(page.keys) + j;
    for (std::int64_t d = 0; d < page.hd; ++d, key += kTokens) {
      Each<Floats, C> k;
      for (int c = 0; c < C; ++c) k[c] = widen(key + c * kLanes);
      for (int r = 0; r < R; ++r)
        for (int c = 0; c < C; ++c) sum[r][c] = multiply_add(all(q[r][d]), k[c], sum[r][c]);
    }
    for (int r = 0; r < R; ++r)
      for (int c = 0; c < C; ++c) store(z[r] + j + c * kLanes, sum[r][c] * page.scale);
  }
}

// Turns a row's scores into weights by e^largest, and what it has so far too.
R1_INLINE void weigh(Scores& z, AttendRow& row, const PastPage& page) {
  if (page.decay != nullptr)
    for (std::int64_t j = 0; j < kTokens; j += kLanes)
      store(z + j, load<Floats>(z + j) + (row.own - load<Floats>(page.decay + j)));
  for (std::int64_t j = 0; j < row.begin; ++j) z[j] = kNothing;
  for (std::int64_t j = row.end; j < kTokens; ++j) z[j] = kNothing;
  Floats most = all(row.largest);
  for (std::int64_t j = 0; j < kTokens; j += kLanes) most = larger(most, load<Floats>(z + j));
  const float top = largest(most);
  Floats total{};
  for (std::int64_t j = 0; j < kTokens; j += kLanes) {
    const Floats e = exp(load<Floats>(z + j) - top);
    store(z + j, e);
    total += e;
  }
  const float keep = exp(all(row.largest - top))[0];
  row.sum = row.sum * keep + sum(total);
  row.largest = top;
  std::int64_t d = 0;
  for (; d + kLanes <= page.hd; d += kLanes) store(row.mean + d, load<Floats>(row.mean + d) * keep);
  for (; d < page.hd; ++d) row.mean[d] *= keep;
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
  cpu::Range common = {0, kTokens};
  for (int r = 0; r < R; ++r) {
    weigh(z[r], *rows[r], page);
    if (rows[r]->begin > common.begin) common.begin = rows[r]->begin;
    if (rows[r]->end < common.end) common.end = rows[r]->end;
  }
  if (common.end < common.begin) common.end = common.begin = kTokens;
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
  for (; count >= 8; rows += 8, count -= 8) attend<8, T>(rows, page);
  if (count >= 4) attend<4, T>(rows, page), rows += 4, count -= 4;
  if (count >= 2) attend<2, T>(rows, page), rows += 2, count -= 2;
  if (count >= 1) attend<1, T>(rows, page);
}

}  // namespace

void attend_f32(AttendRow* const* rows, int count, const PastPage& page) {
  attend_all<float>(rows, count, page);
}
void attend_bf16(AttendRow* const* rows, int count, const PastPage& page) {
  attend_all<std::uint16_t>(rows, count, page);
}

}  // namespace r1::R1_ISA
