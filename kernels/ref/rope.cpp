#include <cmath>

#include "kernels/ref/ref_backend.h"
#include "kernels/ref/rows.h"

namespace r1 {
namespace {

using ref::add_to;

// Calls body(position of the first and of the second number of a pair in x, cos, sin) for all
// pairs of x [T, H, hd].
template <typename Body>
void for_pairs(const Tensor& x, const Tensor& table, bool interleaved, const Body& body) {
  const std::int64_t H = x.shape[1], hd = x.shape[2], half = hd / 2;
  for (std::int64_t r = 0; r < x.rows(); ++r)
    for (std::int64_t i = 0; i < half; ++i) {
      const float* turn = table.as<float>() + ((r / H) * half + i) * 2;
      const std::int64_t first = r * hd + (interleaved ? 2 * i : i);
      body(first, first + (interleaved ? 1 : half), double{turn[0]}, double{turn[1]});
    }
}

}  // namespace

void RefBackend::rope_table(const Tensor& table, const Tensor& positions, const Tensor& frequencies,
                            float magnitude) {
  const std::int64_t half = frequencies.shape[0];
  for (std::int64_t t = 0; t < positions.shape[0]; ++t)
    for (std::int64_t i = 0; i < half; ++i) {
      const float position = static_cast<float>(positions.as<std::int32_t>()[t]);
      const float angle = position * frequencies.as<float>()[i];  // f32, as models are trained
      float* turn = table.as<float>() + (t * half + i) * 2;
      turn[0] = static_cast<float>(magnitude * std::cos(double{angle}));
      turn[1] = static_cast<float>(magnitude * std::sin(double{angle}));
    }
}

void RefBackend::rope(const Tensor& y, const Tensor& x, const Tensor& table, bool interleaved) {
  const float* in = x.as<float>();
  float* out = y.as<float>();
  for_pairs(x, table, interleaved, [&](std::int64_t a, std::int64_t b, double cosine, double sine) {
    out[a] = static_cast<float>(in[a] * cosine - in[b] * sine);
    out[b] = static_cast<float>(in[a] * sine + in[b] * cosine);
  });
}

// The turn's transpose: the way back.
void RefBackend::rope_backward(const Tensor& dx, const Tensor& dy, const Tensor& table,
                               bool interleaved) {
  if (dx.empty()) return;
  const float* in = dy.as<float>();
  float* out = dx.as<float>();
  for_pairs(dy, table, interleaved,
            [&](std::int64_t a, std::int64_t b, double cosine, double sine) {
              add_to(out[a], in[a] * cosine + in[b] * sine);
              add_to(out[b], in[b] * cosine - in[a] * sine);
            });
}

}  // namespace r1
