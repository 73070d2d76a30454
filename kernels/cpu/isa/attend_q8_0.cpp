// Attention of up to 8 query rows of one key head over one page of q8_0, in whole numbers: q and
// the weights of the softmax become 16 bits each by a step of the row's own, and products with the
// page's bytes are summed in pairs, exactly; a block's sum then meets its scale. That is half the
// instructions of widening bytes to f32, and half the memory of 16-bit pages.
#include "kernels/cpu/isa/attend.h"
#include "kernels/cpu/isa/attend_rows.h"
#include "kernels/cpu/isa/quads.h"
#include "kernels/cpu/isa/vector.h"

namespace r1::R1_ISA {
namespace {

using cpu::AttendRow;
using cpu::PastPage;

constexpr std::int64_t kBlock = cpu::kBlock;  // elements of the head

R1_INLINE const std::int8_t* block_of(const void* page, std::int64_t b) {
  return static_cast<const std::int8_t*>(page) + b * cpu::kPageBlock;
}
R1_INLINE Floats scales_of(const std::int8_t* block, std::int64_t position) {
  return from_f16(block + cpu::kPageBytes + 2 * position);
}

// z = scale q·k, for what some row sees, in whole registers. A sum of 32 products is below
// 32 * 127 * 32,767, and so of 31 bits.
template <int R>
R1_INLINE void products(Scores* z, AttendRow* const* rows, const PastPage& page) {
  constexpr int C = columns(R);
  constexpr std::int64_t kStep = C * kLanes;
  const cpu::Range seen = seen_by_some(rows, R);
  for (std::int64_t b = 0; b < page.hd / kBlock; ++b) {
    const std::int8_t* keys = block_of(page.keys, b);
    for (std::int64_t j = seen.begin / kStep * kStep; j < seen.end; j += kStep) {
      Each<Each<Ints, C>, R> sum;
      for (std::int64_t d = 0; d < kBlock; d += 2) {
        ask<R, C * kRegister / 2>(keys + d * kTokens + 2 * j, page.next_keys);
        Each<Ints, C> k;
        for (int c = 0; c < C; ++c)
          k[c] = widen_to_pairs(keys + d * kTokens + 2 * (j + c * kLanes));
        for (int r = 0; r < R; ++r) {
          const auto q = load<std::int32_t>(rows[r]->whole + b * kBlock + d);
          for (int c = 0; c < C; ++c) sum[r][c] = dot_pairs(sum[r][c], k[c], q);
        }
      }
      for (int c = 0; c < C; ++c) {
        const std::int64_t at = j + c * kLanes;
        const Floats scale = scales_of(keys, at) * page.scale;
        for (int r = 0; r < R; ++r) {
          const Floats before = b == 0 ? Floats{} : load<Floats>(z[r] + at);
          store(z[r] + at, multiply_add(to_floats(sum[r][c]), scale * rows[r]->step, before));
        }
      }
    }
  }
}

// A row's weights of a page, times the scales of a block of its values; 0 where it does not look,
// since scales that nobody has written may be NaN.
struct Weights {
  std::int16_t whole[std::size_t{kTokens}];
  float step;

  R1_INLINE void make(const Scores& p, const AttendRow& row, const std::int8_t* block) {
    Scores w;
    const cpu::Range seen = registers_of<false>(row);
    for (std::int64_t j = 0; j < kTokens; j += kLanes)
      store(w + j, j >= seen.begin && j < seen.end
                       ? where_seen(row, j, load<Floats>(p + j) * scales_of(block, j), 0.0f)
                       : Floats{});
    step = to_whole(whole, w, kTokens);
  }
};

// mean += p_j v_j. A sum of 64 products is below 64 * 127 * 32,767, and so of 31 bits.
template <int R>
R1_INLINE void add_values(AttendRow* const* rows, const Scores* p, const PastPage& page,
                          cpu::Range seen) {
  constexpr int most = static_cast<int>(kBlock / kLanes), C = columns(R) < most ? columns(R) : most;
  for (std::int64_t b = 0; b < page.hd / kBlock; ++b) {
    const std::int8_t* values = block_of(page.values, b);
    Weights weights[std::size_t{R}];
    for (int r = 0; r < R; ++r) weights[r].make(p[r], *rows[r], values);
    for (std::int64_t d = 0; d < kBlock; d += C * kLanes) {
      Each<Each<Ints, C>, R> sum;
      for (std::int64_t j = seen.begin / 2 * 2; j < seen.end; j += 2) {
        ask<R, C * kRegister / 2>(values + j * kBlock + 2 * d, page.next_values);
        Each<Ints, C> v;
        for (int c = 0; c < C; ++c)
          v[c] = widen_to_pairs(values + j * kBlock + 2 * (d + c * kLanes));
        for (int r = 0; r < R; ++r) {
          const auto w = load<std::int32_t>(weights[r].whole + j);
          for (int c = 0; c < C; ++c) sum[r][c] = dot_pairs(sum[r][c], v[c], w);
        }
      }
      for (int r = 0; r < R; ++r)
        for (int c = 0; c < C; ++c) {
          float* mean = rows[r]->mean + b * kBlock + d + c * kLanes;
          store(mean, multiply_add(to_floats(sum[r][c]), all(weights[r].step), load<Floats>(mean)));
        }
    }
  }
}

template <int R>
void attend(AttendRow* const* rows, const PastPage& page) {
  Scores z[std::size_t{R}];
  products<R>(z, rows, page);
  weigh<R>(z, rows, page);
  add_values<R>(rows, z, page, seen_by_some(rows, R));
}

}  // namespace

void attend_q8_0(AttendRow* const* rows, int count, const PastPage& page) {
  in_groups(rows, count, [&]<int R>(AttendRow* const* some) { attend<R>(some, page); });
}

// 0 where there is no such step; beside a number that is not finite the step is none either.
float to_whole(std::int16_t* y, const float* x, std::int64_t n) {
  using Narrow [[gnu::vector_size(kRegister / 2)]] = std::int16_t;
  constexpr float kMost = 32767.0f;
  const float top = largest_magnitude(x, n);
  if (!has_step(top)) {
    for (std::int64_t i = 0; i < n; ++i) y[i] = 0;
    return top / kMost;
  }
  const float inverse = kMost / top;
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const Ints v = nearest_whole(load<Floats>(x + i) * inverse);
    const auto narrow = __builtin_convertvector(v, Narrow);
    __builtin_memcpy(y + i, &narrow, sizeof narrow);
  }
  return top / kMost;
}

}  // namespace r1::R1_ISA
