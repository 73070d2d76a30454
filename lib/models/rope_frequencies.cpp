#include "lib/models/rope_frequencies.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace r1 {
namespace {

// Short waves stay, long ones are stretched by the factor, those between are mixed.
double llama3(double w, const RopeScaling& s) {
  const double length = 2 * std::numbers::pi / w;
  if (length < s.original_context / s.high) return w;
  if (length > s.original_context / s.low) return w / s.factor;
  const double mix = (s.original_context / length - s.low) / (s.high - s.low);
  return (1 - mix) * w / s.factor + mix * w;
}

// The pair that turns `beta` times over the original context.
double pair_of(double beta, double dims, double theta, const RopeScaling& s) {
  return dims * std::log(s.original_context / (2 * std::numbers::pi * beta)) /
         (2 * std::log(theta));
}

double yarn(double w, double i, double dims, double theta, const RopeScaling& s) {
  const double low = std::max(std::floor(pair_of(s.beta_fast, dims, theta, s)), 0.0);
  double high = std::min(std::ceil(pair_of(s.beta_slow, dims, theta, s)), dims - 1);
  if (high == low) high += 0.001;
  const double mix = std::clamp((i - low) / (high - low), 0.0, 1.0);
  return w * (1 - mix) + w / s.factor * mix;
}

}  // namespace

std::vector<float> rope_frequencies(std::int64_t dims, double theta, const RopeScaling& scaling) {
  std::vector<float> out;
  for (std::int64_t i = 0; i < dims / 2; ++i) {
    const double place = static_cast<double>(i), size = static_cast<double>(dims);
    double w = std::pow(theta, -2 * place / size);
    switch (scaling.kind) {
      case RopeScaling::Kind::none:
        break;
      case RopeScaling::Kind::linear:
        w /= scaling.factor;
        break;
      case RopeScaling::Kind::llama3:
        w = llama3(w, scaling);
        break;
      case RopeScaling::Kind::yarn:
        w = yarn(w, place, size, theta, scaling);
        break;
    }
    out.push_back(static_cast<float>(w));
  }
  return out;
}

float rope_magnitude(const RopeScaling& s) {
  if (s.kind != RopeScaling::Kind::yarn) return 1.0f;
  if (s.attention_factor) return static_cast<float>(*s.attention_factor);
  const auto m = [&](double a) { return s.factor <= 1 ? 1.0 : 0.1 * a * std::log(s.factor) + 1; };
  const bool both = s.mscale != 0 && s.mscale_all_dim != 0;
  return static_cast<float>(s.attn_factor * (both ? m(s.mscale) / m(s.mscale_all_dim) : m(1)));
}

}  // namespace r1
