#include "lib/train/optimizer.h"

#include <algorithm>
#include <cmath>

namespace r1 {
namespace {

// x [rows, cols] -> about the nearest matrix whose shorter side is orthonormal, times some number
// near 1: x <- a x + b (x x^T) x + c (x x^T)^2 x, five times.
constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;
constexpr int kTurns = 5;
constexpr std::uint64_t kRounding = std::uint64_t{0xbf16} << 32;  // stream of seeds, by weight

Tensor orthogonal(Backend& backend, Arena& arena, Tensor x) {
  const std::int64_t rows = x.shape[0], cols = x.shape[1];
  const bool wide = rows <= cols;
  const std::int64_t n = std::min(rows, cols);
  const auto take = [&](const Shape& shape) {
    const Tensor t = arena.take(shape, DType::f32);
    backend.zero(t);
    return t;
  };
  const Tensor product = arena.take({n, n}, DType::f32), square = arena.take({n, n}, DType::f32);
  Tensor next = arena.take(x.shape, DType::f32);
  for (int turn = 0; turn < kTurns; ++turn) {
    const Tensor sum = take({n, n});
    if (wide) {
      backend.linear(product, x, x, {});  // x x^T
    } else {
      backend.zero(product);
      backend.linear_backward({}, product, x, x, sum);  // x^T x
    }
    backend.linear(square, product, product, {});  // it is symmetric
    backend.add_scaled(sum, product, kB);
    backend.add_scaled(sum, square, kC);
    backend.zero(next);
    backend.add_scaled(next, x, kA);
    if (wide) {
      backend.linear_backward(next, {}, sum, x, x);  // + sum x
    } else {
      const Tensor turned = arena.take(x.shape, DType::f32);
      backend.linear(turned, x, sum, {});  // x sum
      backend.add_scaled(next, turned, 1.0f);
    }
    std::swap(x, next);
  }
  return x;
}

}  // namespace

Optimizer::Optimizer(Backend& backend, const NamedVars& weights,
                     const std::vector<Tensor>& gradients, const OptimizerOptions& options)
    : backend_(backend), options_(options), memory_(backend), scratch_(backend) {
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto& [name, weight] = weights[i];
    const Shape& shape = weight.value.shape;
    const bool turned = options.kind == OptimizerKind::muon && is_hidden_matrix(name, shape);
    const DType type = turned ? DType::f32 : options.moments;
    Moments m{weight.value,
              gradients[i],
              memory_.zeros(shape, type),
              {},
              name,
              shape.rank() == 2 ? options.weight_decay : 0,
              i};
    if (!turned) m.second = memory_.zeros(shape, type);
    moments_.push_back(m);
  }
}

void Optimizer::step(std::int64_t step, double share, double scale) {
  for (const Moments& m : moments_)
    m.second.empty() ? muon(m, share, scale) : adamw(m, step, share, scale);
}

void Optimizer::adamw(const Moments& m, std::int64_t step, double share, double scale) {
  backend_.adamw(
      m.weight, m.first, m.second, m.gradient,
      {.learning_rate = static_cast<float>(options_.rate * share),
       .beta1 = static_cast<float>(options_.beta1),
       .beta2 = static_cast<float>(options_.beta2),
       .epsilon = static_cast<float>(options_.epsilon),
       .weight_decay = static_cast<float>(m.weight_decay),
       .gradient_scale = static_cast<float>(scale),
       .step = step,
       .seed = random_bits(options_.seed, kRounding + m.number, static_cast<std::uint64_t>(step))});
}

// v <- momentum v + (1 - momentum) g;  w <- (1 - rate decay) w - rate s orthogonal(g + momentum (v
// - g)), s = sqrt(max(1, rows / cols)): Nesterov's momentum.
void Optimizer::muon(const Moments& m, double share, double scale) {
  scratch_.reset();
  const auto blend = static_cast<float>(1 - options_.momentum);
  const Shape& shape = m.weight.shape;
  const Tensor copy = scratch_.take(shape, DType::f32);
  backend_.copy(copy, m.first);
  backend_.add_scaled(m.first, copy, -blend);
  backend_.add_scaled(m.first, m.gradient, static_cast<float>(blend * scale));
  const Tensor ahead = scratch_.take(shape, DType::f32);
  backend_.zero(ahead);
  backend_.add_scaled(ahead, m.gradient, static_cast<float>(blend * scale));
  backend_.add_scaled(ahead, m.first, static_cast<float>(options_.momentum));
  const Tensor squares = scratch_.take({1}, DType::f32);
  backend_.zero(squares);
  backend_.sum_squares(squares, ahead);
  float sum = 0;
  backend_.copy_to_host(&sum, squares);
  const Tensor unit = scratch_.take(shape, DType::f32);
  backend_.zero(unit);
  backend_.add_scaled(unit, ahead, 1 / (std::sqrt(sum) + 1e-7f));
  const Tensor turned = orthogonal(backend_, scratch_, unit);
  const double rate = options_.muon_rate * share;
  const double tall = static_cast<double>(shape[0]) / static_cast<double>(shape[1]);
  backend_.copy(copy, m.weight);
  backend_.add_scaled(m.weight, copy, static_cast<float>(-rate * m.weight_decay));
  backend_.add_scaled(m.weight, turned, static_cast<float>(-rate * std::sqrt(std::max(1.0, tall))));
}

std::vector<NamedTensor> Optimizer::state() const {
  std::vector<NamedTensor> state;
  for (const Moments& m : moments_) {
    state.push_back({m.name + ".first", m.first});
    if (!m.second.empty()) state.push_back({m.name + ".second", m.second});
  }
  return state;
}

}  // namespace r1
