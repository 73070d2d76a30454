#include <cmath>

#include "kernels/ref/ref_backend.h"
#include "kernels/ref/rows.h"

namespace r1 {

void RefBackend::adamw(const Tensor& w, const Tensor& m, const Tensor& v, const Tensor& g,
                       const AdamwOptions& options) {
  const double beta1 = options.beta1, beta2 = options.beta2;
  const double seen1 = 1.0 - std::pow(beta1, static_cast<double>(options.step));
  const double seen2 = 1.0 - std::pow(beta2, static_cast<double>(options.step));
  for (std::int64_t i = 0; i < w.shape.elements(); ++i) {
    const double gi = double{options.gradient_scale} * g.as<float>()[i], wi = w.as<float>()[i];
    const double mi = beta1 * m.as<float>()[i] + (1.0 - beta1) * gi;
    const double vi = beta2 * v.as<float>()[i] + (1.0 - beta2) * gi * gi;
    const double change = mi / seen1 / (std::sqrt(vi / seen2) + options.epsilon);
    m.as<float>()[i] = static_cast<float>(mi);
    v.as<float>()[i] = static_cast<float>(vi);
    w.as<float>()[i] =
        static_cast<float>(wi - options.learning_rate * (change + options.weight_decay * wi));
  }
}

void RefBackend::sum_squares(const Tensor& out, const Tensor& x) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < x.shape.elements(); ++i)
    sum += double{x.as<float>()[i]} * x.as<float>()[i];
  ref::add_to(out.as<float>()[0], sum);
}

}  // namespace r1
