// Operations on one row. What an element becomes does not depend on its place.
#include "kernels/cpu/isa/rows.h"

#include "kernels/cpu/isa/vector.h"
#include "lib/backend/activation.h"

namespace r1::R1_ISA {
namespace {

R1_INLINE Floats sigmoid(Floats x) { return 1.0f / (1.0f + exp(-x)); }

// An f32 or a pair of bf16, four of them; times s or as they are.
using FourFloats [[gnu::vector_size(16)]] = float;
using FourPairs [[gnu::vector_size(16)]] = std::uint32_t;

// By fours both ways: two rounds of pairs.
template <typename Four, typename T, typename Change>
R1_INLINE void turn_by_fours(T* panel, const T* x, std::int64_t stride, std::int64_t rows,
                             std::int64_t K, const Change& change) {
  std::int64_t r = 0;
  for (; r + 4 <= rows; r += 4, x += 4 * stride) {
    std::int64_t k = 0;
    for (; k + 4 <= K; k += 4) {
      Each<Four, 4> in, pair;
      for (int i = 0; i < 4; ++i) in[i] = change(load<Four>(x + i * stride + k));
      for (int i = 0; i < 2; ++i) {
        pair[i] = __builtin_shufflevector(in[i], in[i + 2], 0, 4, 1, 5);
        pair[i + 2] = __builtin_shufflevector(in[i], in[i + 2], 2, 6, 3, 7);
      }
      for (int i = 0; i < 4; ++i) {
        const int p = i / 2 * 2;
        const Four out = i % 2 == 0 ? __builtin_shufflevector(pair[p], pair[p + 1], 0, 4, 1, 5)
                                    : __builtin_shufflevector(pair[p], pair[p + 1], 2, 6, 3, 7);
        __builtin_memcpy(panel + (k + i) * cpu::kPanelRows + r, &out, sizeof out);
      }
    }
    for (; k < K; ++k)
      for (int i = 0; i < 4; ++i) panel[k * cpu::kPanelRows + r + i] = change(x[i * stride + k]);
  }
  for (; r < rows; ++r, x += stride)
    for (std::int64_t k = 0; k < K; ++k) panel[k * cpu::kPanelRows + r] = change(x[k]);
  for (; r < cpu::kPanelRows; ++r)
    for (std::int64_t k = 0; k < K; ++k) panel[k * cpu::kPanelRows + r] = {};
}

// y = v or, on the way back, y += v.
template <bool back>
R1_INLINE void put(float* y, Floats v) {
  store(y, back ? load<Floats>(y) + v : v);
}

template <bool interleaved, bool back>
R1_INLINE void rotate_by(float* y, const float* x, const float* table, std::int64_t half) {
  constexpr auto order = std::make_integer_sequence<int, kLanes>{};
  constexpr float kSign = back ? -1.0f : 1.0f;
  std::int64_t i = 0;  // pairs
  if constexpr (interleaved) {
    constexpr std::int64_t kPairs = kLanes / 2;
    Floats sign = all(kSign);
    for (int lane = 0; lane < kLanes; lane += 2) sign[lane] = -kSign;
    for (; i + kPairs <= half; i += kPairs) {
      const Floats v = load<Floats>(x + 2 * i), t = load<Floats>(table + 2 * i);
      const Floats sine = one_of_pairs<true>(t, order) * sign;
      put<back>(y + 2 * i, v * one_of_pairs<false>(t, order) + exchanged_pairs(v, order) * sine);
    }
  } else {
    for (; i + kLanes <= half; i += kLanes) {
      const Floats t = load<Floats>(table + 2 * i), next = load<Floats>(table + 2 * i + kLanes);
      const Floats cosine = halves<2, false>(t, next, order);
      const Floats sine = halves<2, true>(t, next, order) * kSign;
      const Floats a = load<Floats>(x + i), b = load<Floats>(x + i + half);
      put<back>(y + i, a * cosine - b * sine);
      put<back>(y + i + half, a * sine + b * cosine);
    }
  }
  for (; i < half; ++i) {
    const std::int64_t at = interleaved ? 2 * i : i, other = interleaved ? at + 1 : i + half;
    const float cosine = table[2 * i], sine = kSign * table[2 * i + 1];
    const float first = x[at] * cosine - x[other] * sine, second = x[at] * sine + x[other] * cosine;
    y[at] = back ? y[at] + first : first;
    y[other] = back ? y[other] + second : second;
  }
}

}  // namespace

void rotate(float* y, const float* x, const float* table, std::int64_t half, bool interleaved) {
  interleaved ? rotate_by<true, false>(y, x, table, half)
              : rotate_by<false, false>(y, x, table, half);
}
void rotate_backward(float* dx, const float* dy, const float* table, std::int64_t half,
                     bool interleaved) {
  interleaved ? rotate_by<true, true>(dx, dy, table, half)
              : rotate_by<false, true>(dx, dy, table, half);
}

void turn(float* panel, float s, const float* x, std::int64_t stride, std::int64_t rows,
          std::int64_t K) {
  turn_by_fours<FourFloats>(panel, x, stride, rows, K, [s](auto v) { return v * s; });
}

void turn_pairs(cpu::Pair* panel, const cpu::Pair* x, std::int64_t stride, std::int64_t rows,
                std::int64_t K) {
  turn_by_fours<FourPairs>(panel, x, stride, rows, K, [](auto v) { return v; });
}

// Several sums side by side: each waits for its last one.
float dot(const float* a, const float* b, std::int64_t n) {
  constexpr int kSums = 4;
  Each<Floats, kSums> sums;
  std::int64_t i = 0;
  for (; i + kSums * kLanes <= n; i += kSums * kLanes)
    for (int c = 0; c < kSums; ++c)
      sums[c] =
          multiply_add(load<Floats>(a + i + c * kLanes), load<Floats>(b + i + c * kLanes), sums[c]);
  Floats total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  by_register(n - i, [&](std::int64_t j, std::int64_t m) {
    total = multiply_add(load_n(a + i + j, m), load_n(b + i + j, m), total);
  });
  return sum(total);
}

void axpy(float* y, float s, const float* x, std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    store_n(y + i, load_n(y + i, m) + load_n(x + i, m) * s, m);
  });
}

void blend(float* y, float a, const float* x, float b, const float* z, std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    const Floats v = load_n(x + i, m) * a;
    store_n(y + i, z == nullptr ? v : v + load_n(z + i, m) * b, m);
  });
}

void scale_by(float* y, float s, const float* a, const float* b, std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    store_n(y + i, load_n(a + i, m) * s * load_n(b + i, m), m);
  });
}

void add_scaled_by(float* y, float s, const float* a, const float* b, std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    store_n(y + i, load_n(y + i, m) + load_n(a + i, m) * load_n(b + i, m) * s, m);
  });
}

void rms_norm_backward(float* dx, const float* dy, const float* x, const float* w, float rstd,
                       std::int64_t n) {
  Floats total{};
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    total = multiply_add(load_n(dy + i, m) * load_n(w + i, m), load_n(x + i, m), total);
  });
  const float along = rstd * rstd * rstd * sum(total) / static_cast<float>(n);
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    const Floats dn = load_n(dy + i, m) * load_n(w + i, m);
    store_n(dx + i, load_n(dx + i, m) + dn * rstd - load_n(x + i, m) * along, m);
  });
}

float largest(const float* x, std::int64_t n) {
  float most = x[0];
  Floats all_most = all(most);
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    if (m == kLanes)
      all_most = larger(all_most, load<Floats>(x + i));
    else
      for (std::int64_t j = i; j < n; ++j) most = x[j] > most ? x[j] : most;
  });
  const float other = largest(all_most);
  return other > most ? other : most;
}

float exp_sum(float* y, const float* x, float shift, std::int64_t n) {
  Floats total{};
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    const Floats e = exp(load_n(x + i, m) - shift);
    if (y != nullptr) store_n(y + i, e, m);
    float there[kLanes];
    store(there, e);
    total += m == kLanes ? e : load_some(there, m);
  });
  return sum(total);
}

void softmax_backward(float* p, float* dp, float* dA, float scale, std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    const Floats weight = load_n(p + i, m), dz = weight * load_n(dp + i, m);
    store_n(p + i, scale * dz, m);
    store_n(dp + i, weight, m);
    store_n(dA + i, load_n(dA + i, m) - dz, m);
  });
}

void swiglu(float* y, const float* gate, const float* up, std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    const Floats g = load_n(gate + i, m);
    store_n(y + i, g * sigmoid(g) * load_n(up + i, m), m);
  });
}

// silu'(g) = s (1 + g (1 - s)) with s = sigmoid(g).
void swiglu_backward(float* dgate, float* dup, const float* dy, const float* gate, const float* up,
                     std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    const Floats g = load_n(gate + i, m), d = load_n(dy + i, m), s = sigmoid(g);
    if (dup != nullptr) store_n(dup + i, load_n(dup + i, m) + d * (g * s), m);
    if (dgate == nullptr) return;
    const Floats slope = s * (1.0f + g * (1.0f - s));
    store_n(dgate + i, load_n(dgate + i, m) + d * load_n(up + i, m) * slope, m);
  });
}

// 1 + tanh(u) = 2 sigmoid(2u), so that gelu(x) = x sigmoid(z).
void gelu(float* y, const float* x, std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    const Floats v = load_n(x + i, m), z = kGeluSlope * (v + kGeluCube * v * v * v);
    store_n(y + i, v * sigmoid(z), m);
  });
}

// gelu'(x) = s + x z' s (1 - s) with s = sigmoid(z); from e^-|z|, because 1 - s would cancel.
void gelu_backward(float* dx, const float* dy, const float* x, std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    const Floats v = load_n(x + i, m), z = kGeluSlope * (v + kGeluCube * v * v * v);
    const Floats dz = kGeluSlope * (1.0f + 3.0f * kGeluCube * v * v);
    const Floats e = exp(-larger(z, -z)), inverse = 1.0f / (1.0f + e);
    const Floats s = z > 0.0f ? inverse : e * inverse, small = e * inverse * inverse;
    const Floats slope = s + (small > 0.0f ? v * dz * small : Floats{});  // no inf * 0
    store_n(dx + i, load_n(dx + i, m) + load_n(dy + i, m) * slope, m);
  });
}

void adamw(float* w, float* m, float* v, const float* g, std::int64_t n, const cpu::Adamw& o) {
  by_register(n, [&](std::int64_t i, std::int64_t k) {
    const Floats gradient = load_n(g + i, k) * o.gradient_scale, old = load_n(w + i, k);
    const Floats first = load_n(m + i, k) * o.beta1 + gradient * (1.0f - o.beta1);
    const Floats second = load_n(v + i, k) * o.beta2 + gradient * gradient * (1.0f - o.beta2);
    const Floats change = first / o.seen1 / (square_root(second / o.seen2) + o.epsilon);
    store_n(m + i, first, k);
    store_n(v + i, second, k);
    store_n(w + i, old - (change + old * o.weight_decay) * o.rate, k);
  });
}

}  // namespace r1::R1_ISA
