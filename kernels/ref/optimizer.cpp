#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/ref/ref_backend.h"
#include "kernels/ref/rows.h"
#include "lib/backend/stochastic.h"

namespace r1 {
namespace {

// Element i of a tensor of f32 or bf16.
double number(const Tensor& t, std::int64_t i) {
  return t.dtype == DType::bf16 ? bf16_to_f32(t.as<std::uint16_t>()[i]) : t.as<float>()[i];
}

// The second moment has roots.
double number(const Moment& m, std::int64_t i, bool roots) {
  if (!is_float8(m.values.dtype)) return number(m.values, i);
  const double code = float8_to_f32<E4M3>(m.values.as<std::uint8_t>()[i]);
  const double value = code * m.scale.as<float>()[i / kMomentBlock];
  return roots ? value * value : value;
}

void set(const Tensor& t, std::int64_t i, double value, std::uint32_t chance) {
  const auto rounded = static_cast<float>(value);
  if (t.dtype == DType::bf16)
    t.as<std::uint16_t>()[i] = bf16_by_chance(rounded, chance);
  else
    t.as<float>()[i] = rounded;
}

// Block `block` of a moment; chance(i) are the bits of element i of all.
template <typename Chance>
void set_block(const Moment& m, std::int64_t block, std::vector<double> values, bool roots,
               const Chance& chance) {
  const std::int64_t begin = block * kMomentBlock, n = std::ssize(values);
  const bool eight = is_float8(m.values.dtype);
  double most = 0;
  for (double& value : values) {
    if (eight && roots) value = std::sqrt(value);
    most = std::max(most, std::abs(value));
  }
  if (eight) m.scale.as<float>()[block] = moment_scale(static_cast<float>(most));
  for (std::int64_t i = 0; i < n; ++i) {
    const double value = values[static_cast<std::size_t>(i)];
    if (eight)
      m.values.as<std::uint8_t>()[begin + i] = moment_by_chance(
          static_cast<float>(value), m.scale.as<float>()[block], chance(begin + i), roots);
    else
      set(m.values, begin + i, value, chance(begin + i));
  }
}

}  // namespace

void RefBackend::adamw(const Tensor& w, const Moment& m, const Moment& v, const Tensor& g,
                       const AdamwOptions& options) {
  const double beta1 = options.beta1, beta2 = options.beta2;
  const double seen1 = 1.0 - std::pow(beta1, static_cast<double>(options.step));
  const double seen2 = 1.0 - std::pow(beta2, static_cast<double>(options.step));
  const auto chances = [&](std::int64_t i) { return weight_chances(options.seed, i); };
  const std::int64_t n = w.shape.elements();
  for (std::int64_t begin = 0; begin < n; begin += kMomentBlock) {
    std::vector<double> first, second;
    for (std::int64_t i = begin; i < std::min(n, begin + kMomentBlock); ++i) {
      const double gi = double{options.gradient_scale} * g.as<float>()[i], wi = number(w, i);
      const double mi = beta1 * number(m, i, false) + (1.0 - beta1) * gi;
      const double vi = beta2 * number(v, i, true) + (1.0 - beta2) * gi * gi;
      const double change = mi / seen1 / (std::sqrt(vi / seen2) + options.epsilon);
      set(w, i, wi - options.learning_rate * (change + options.weight_decay * wi),
          chances(i).weight);
      first.push_back(mi);
      second.push_back(vi);
    }
    const std::int64_t block = begin / kMomentBlock;
    set_block(m, block, first, false, [&](std::int64_t i) { return chances(i).first; });
    set_block(v, block, second, true, [&](std::int64_t i) { return chances(i).second; });
  }
}

void RefBackend::sum_squares(const Tensor& out, const Tensor& x) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < x.shape.elements(); ++i)
    sum += double{x.as<float>()[i]} * x.as<float>()[i];
  ref::add_to(out.as<float>()[0], sum);
}

}  // namespace r1
