#include <cmath>

#include "kernels/ref/ref_backend.h"
#include "kernels/ref/rows.h"
#include "lib/backend/stochastic.h"

namespace r1 {
namespace {

// Element i of a tensor of f32 or bf16.
double number(const Tensor& t, std::int64_t i) {
  return t.dtype == DType::bf16 ? bf16_to_f32(t.as<std::uint16_t>()[i]) : t.as<float>()[i];
}

void set(const Tensor& t, std::int64_t i, double value, std::uint32_t chance) {
  const auto rounded = static_cast<float>(value);
  if (t.dtype == DType::bf16)
    t.as<std::uint16_t>()[i] = bf16_by_chance(rounded, chance);
  else
    t.as<float>()[i] = rounded;
}

}  // namespace

void RefBackend::adamw(const Tensor& w, const Tensor& m, const Tensor& v, const Tensor& g,
                       const AdamwOptions& options) {
  const double beta1 = options.beta1, beta2 = options.beta2;
  const double seen1 = 1.0 - std::pow(beta1, static_cast<double>(options.step));
  const double seen2 = 1.0 - std::pow(beta2, static_cast<double>(options.step));
  for (std::int64_t i = 0; i < w.shape.elements(); ++i) {
    const WeightChances chances = weight_chances(options.seed, i);
    const double gi = double{options.gradient_scale} * g.as<float>()[i], wi = number(w, i);
    const double mi = beta1 * number(m, i) + (1.0 - beta1) * gi;
    const double vi = beta2 * number(v, i) + (1.0 - beta2) * gi * gi;
    const double change = mi / seen1 / (std::sqrt(vi / seen2) + options.epsilon);
    set(m, i, mi, chances.first);
    set(v, i, vi, chances.second);
    set(w, i, wi - options.learning_rate * (change + options.weight_decay * wi), chances.weight);
  }
}

void RefBackend::sum_squares(const Tensor& out, const Tensor& x) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < x.shape.elements(); ++i)
    sum += double{x.as<float>()[i]} * x.as<float>()[i];
  ref::add_to(out.as<float>()[0], sum);
}

}  // namespace r1
