// Operations on one row. What an element becomes does not depend on its place.
#include "kernels/cpu/isa/rows.h"

#include "kernels/cpu/isa/vector.h"

namespace r1::R1_ISA {
namespace {

// Calls body(i, n) for each register of count elements, from i on: n of them are there.
template <typename Body>
R1_INLINE void by_register(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) body(i, std::int64_t{kLanes});
  if (i < count) body(i, count - i);
}
R1_INLINE Floats get(const float* p, std::int64_t n) {
  return n == kLanes ? load<Floats>(p) : load_some(p, n);
}
R1_INLINE void put(float* p, Floats v, std::int64_t n) {
  if (n == kLanes)
    store(p, v);
  else
    store_some(p, v, n);
}

R1_INLINE Floats sigmoid(Floats x) { return 1.0f / (1.0f + exp(-x)); }

}  // namespace

float dot(const float* a, const float* b, std::int64_t n) {
  Floats total{};
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    total = multiply_add(get(a + i, m), get(b + i, m), total);
  });
  return sum(total);
}

void axpy(float* y, float s, const float* x, std::int64_t n) {
  by_register(
      n, [&](std::int64_t i, std::int64_t m) { put(y + i, get(y + i, m) + get(x + i, m) * s, m); });
}

float largest(const float* x, std::int64_t n) {
  float most = x[0];
  Floats all_most = all(most);
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    if (m == 16)
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
    const Floats e = exp(get(x + i, m) - shift);
    if (y != nullptr) put(y + i, e, m);
    float there[kLanes];
    store(there, e);
    total += m == kLanes ? e : load_some(there, m);
  });
  return sum(total);
}

void swiglu(float* y, const float* gate, const float* up, std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    const Floats g = get(gate + i, m);
    put(y + i, g * sigmoid(g) * get(up + i, m), m);
  });
}

// silu'(g) = s (1 + g (1 - s)) with s = sigmoid(g).
void swiglu_backward(float* dgate, float* dup, const float* dy, const float* gate, const float* up,
                     std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    const Floats g = get(gate + i, m), d = get(dy + i, m), s = sigmoid(g);
    if (dup != nullptr) put(dup + i, get(dup + i, m) + d * (g * s), m);
    if (dgate == nullptr) return;
    const Floats slope = s * (1.0f + g * (1.0f - s));
    put(dgate + i, get(dgate + i, m) + d * get(up + i, m) * slope, m);
  });
}

namespace {

template <typename T>
R1_INLINE Floats widen_n(const T* p, std::int64_t n) {
  return n == kLanes ? widen(p) : widen_some(p, n);
}

template <typename T>
R1_INLINE float score(const float* q, const T* key, std::int64_t hd) {
  Floats total{};
  by_register(hd, [&](std::int64_t d, std::int64_t m) {
    total = multiply_add(get(q + d, m), widen_n(key + d, m), total);
  });
  return sum(total);
}

// mean = mean keep + sum of p_j v_j over the block, in C registers; `last` are there of the last.
template <int C, typename T>
R1_INLINE void add_values(float* mean, float keep, const float* p, const T* values,
                          std::int64_t stride, std::int64_t n, std::int64_t last) {
  const auto there = [last](int c) { return c + 1 < C ? kLanes : last; };
  Each<Floats, C> total;
  for (int c = 0; c < C; ++c) total[c] = get(mean + kLanes * c, there(c)) * keep;
  for (std::int64_t j = 0; j < n; ++j)
    for (int c = 0; c < C; ++c)
      total[c] =
          multiply_add(widen_n(values + j * stride + kLanes * c, there(c)), all(p[j]), total[c]);
  for (int c = 0; c < C; ++c) put(mean + kLanes * c, total[c], there(c));
}

// Keeps the largest score so far and weights by e^(score - largest): nothing overflows, and the
// block is read once. Online softmax, arXiv:1805.02867.
template <typename T>
void attend(cpu::Attend& a, const cpu::PastBlock& past) {
  const T* keys = static_cast<const T*>(past.keys);
  const T* values = static_cast<const T*>(past.values);
  float p[cpu::kAttendBlock];
  float most = a.largest;
  for (std::int64_t j = 0; j < past.n; ++j) {
    p[j] = a.scale * score(a.q, keys + j * past.stride, a.hd);
    if (past.decay != nullptr) p[j] += a.own - past.decay[j * past.decay_stride];
    most = p[j] > most ? p[j] : most;
  }
  const float old = a.largest - most;
  float keep = 0.0f;
  exp_sum(&keep, &old, 0.0f, 1);
  a.sum = a.sum * keep + exp_sum(p, p, most, past.n);
  a.largest = most;
  std::int64_t d = 0;
  for (; d + 4 * kLanes <= a.hd; d += 4 * kLanes)
    add_values<4>(a.mean + d, keep, p, values + d, past.stride, past.n, kLanes);
  for (; d < a.hd; d += kLanes)
    add_values<1>(a.mean + d, keep, p, values + d, past.stride, past.n,
                  a.hd - d < kLanes ? a.hd - d : kLanes);
}

}  // namespace

void attend_f32(cpu::Attend& a, const cpu::PastBlock& past) { attend<float>(a, past); }
void attend_bf16(cpu::Attend& a, const cpu::PastBlock& past) { attend<std::uint16_t>(a, past); }

}  // namespace r1::R1_ISA
