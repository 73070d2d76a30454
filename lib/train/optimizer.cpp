#include "lib/train/optimizer.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace r1 {
namespace {

// x [rows, cols] -> about the nearest matrix whose shorter side is orthonormal, times some number
// near 1: x <- a x + b (x x^T) x + c (x x^T)^2 x, five times.
constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;
constexpr int kTurns = 5;
constexpr std::uint64_t kRounding = std::uint64_t{0xbf16} << 32;  // stream of seeds, by weight

// y = a b^T, or y += it; of f32 as `linear` and its way back make it.
void multiply(Backend& backend, const Tensor& y, const Factor& a, const Factor& b, bool adds) {
  if (a.values.dtype != DType::f32)
    return backend.multiply(y, a, b, {.residual = adds ? y : Tensor{}});
  if (a.along_k && b.along_k) return backend.linear(y, a.values, b.values, {});
  assert(!b.along_k);
  if (!adds) backend.zero(y);
  const Tensor unread{nullptr, y.shape, DType::f32, y.device};
  if (a.along_k)
    backend.linear_backward(y, {}, a.values, unread, b.values);
  else
    backend.linear_backward({}, y, a.values, b.values, unread);
}

// Products are made of `type`, f32 or bf16, and all else of f32.
Tensor orthogonal(Backend& backend, Arena& arena, Tensor x, DType type) {
  const std::int64_t rows = x.shape[0], cols = x.shape[1], n = std::min(rows, cols);
  const bool wide = rows <= cols;
  const auto take = [&](const Shape& shape) { return arena.take(shape, DType::f32); };
  const Tensor product = take({n, n}), square = take({n, n}), sum = take({n, n});
  Tensor next = take(x.shape);
  const Tensor room = type == DType::f32 ? Tensor{} : arena.take(x.shape, type),
               small_room = type == DType::f32 ? Tensor{} : arena.take({n, n}, type);
  const auto rounded = [&](const Tensor& to, const Tensor& from) {
    if (type == DType::f32) return from;
    backend.round(to, from);
    return to;
  };
  for (int turn = 0; turn < kTurns; ++turn) {
    const Tensor read = rounded(room, x);
    multiply(backend, product, {read, wide}, {read, wide}, false);  // x x^T, or x^T x
    const Tensor factor = rounded(small_room, product);
    multiply(backend, square, {factor}, {factor}, false);  // it is symmetric
    backend.zero(sum);
    backend.add_scaled(sum, product, kB);
    backend.add_scaled(sum, square, kC);
    backend.zero(next);
    backend.add_scaled(next, x, kA);
    const Tensor change = rounded(small_room, sum);
    multiply(backend, next, {wide ? change : read}, {wide ? read : change, false}, true);
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
  const Tensor turned = orthogonal(backend_, scratch_, unit, options_.products);
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
