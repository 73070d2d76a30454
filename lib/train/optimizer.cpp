#include "lib/train/optimizer.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <map>
#include <utility>

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

// Matrices of one shape, one behind the other.
struct Stack {
  Tensor all;  // [count rows, cols]
  std::int64_t count;

  Shape shape() const { return {all.shape[0] / count, all.shape[1]}; }
  Tensor operator[](std::int64_t i) const {
    Tensor one = all;
    one.shape = shape();
    one.data = all.as<std::byte>() + one.bytes() * static_cast<std::size_t>(i);
    return one;
  }
};

// Products are made of `type`, f32 or bf16, and all else of f32.
Stack orthogonal(Backend& backend, Arena& arena, Stack x, DType type) {
  const std::int64_t rows = x.shape()[0], cols = x.shape()[1], n = std::min(rows, cols);
  const bool wide = rows <= cols;
  const auto take = [&](const Shape& one, DType dtype) {
    return Stack{arena.take({x.count * one[0], one[1]}, dtype), x.count};
  };
  const Shape square_shape = {n, n};
  const Stack product = take(square_shape, DType::f32), square = take(square_shape, DType::f32);
  Stack next = take(x.shape(), DType::f32);
  const bool rounds = type != DType::f32;
  const Stack room = rounds ? take(x.shape(), type) : Stack{},
              small_room = rounds ? take(square_shape, type) : Stack{};
  const auto rounded = [&](const Stack& to, const Stack& from) {
    if (rounds) backend.round(to.all, from.all);
    return rounds ? to : from;
  };
  for (int turn = 0; turn < kTurns; ++turn) {
    const Stack read = rounded(room, x);
    for (std::int64_t i = 0; i < x.count; ++i)  // x x^T, or x^T x
      multiply(backend, product[i], {read[i], wide}, {read[i], wide}, false);
    const Stack factor = rounded(small_room, product);
    for (std::int64_t i = 0; i < x.count; ++i)
      multiply(backend, square[i], {factor[i]}, {factor[i]}, false);  // it is symmetric
    backend.blend(square.all, kB, product.all, kC, square.all);
    backend.blend(next.all, kA, x.all, 0, {});
    const Stack change = rounded(small_room, square);
    for (std::int64_t i = 0; i < x.count; ++i)
      multiply(backend, next[i], {wide ? change[i] : read[i]}, {wide ? read[i] : change[i], false},
               true);
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
              no_moment(shape, type),
              {},
              name,
              shape.rank() == 2 ? options.weight_decay : 0,
              i};
    if (!turned) m.second = no_moment(shape, type);
    moments_.push_back(m);
  }
  groups_ = turned_together();
}

Moment Optimizer::no_moment(const Shape& shape, DType type) {
  const std::int64_t blocks = (shape.elements() + kMomentBlock - 1) / kMomentBlock;
  return {memory_.zeros(shape, type),
          is_float8(type) ? memory_.zeros({blocks}, DType::f32) : Tensor{}};
}

void Optimizer::step(std::int64_t step, double share, double scale) {
  for (const Moments& m : moments_)
    if (!m.turned()) adamw(m, step, share, scale);
  for (const Group& group : groups_) muon(group, share, scale);
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

// A card has work for all of it when it turns many at once; in a processor's caches there is room
// for one.
std::vector<Optimizer::Group> Optimizer::turned_together() const {
  const std::int64_t most = backend_.device() == Device::cpu ? 0 : std::int64_t{16} << 20;
  std::map<std::pair<std::int64_t, std::int64_t>, Group> growing;
  std::vector<Group> groups;
  for (const Moments& m : moments_) {
    if (!m.turned()) continue;
    const Shape& shape = m.weight.shape;
    Group& group = growing[{shape[0], shape[1]}];
    group.push_back(&m);
    if ((std::ssize(group) + 1) * shape.elements() > most)
      groups.push_back(std::exchange(group, {}));
  }
  for (auto& [shape, group] : growing)
    if (!group.empty()) groups.push_back(std::move(group));
  return groups;
}

// v <- momentum v + (1 - momentum) g;  w <- (1 - rate decay) w - rate s orthogonal(momentum v + (1
// - momentum) g), s = sqrt(max(1, rows / cols)): Nesterov's momentum.
void Optimizer::muon(const Group& group, double share, double scale) {
  scratch_.reset();
  const auto momentum = static_cast<float>(options_.momentum);
  const auto rest = static_cast<float>((1 - options_.momentum) * scale);
  const std::int64_t count = std::ssize(group);
  const Shape shape = group[0]->weight.shape;
  const Stack ahead{scratch_.take({count * shape[0], shape[1]}, DType::f32), count};
  const Tensor squares = scratch_.take({count, 1}, DType::f32);
  backend_.zero(squares);
  for (std::int64_t i = 0; i < count; ++i) {
    const Moments& m = *group[static_cast<std::size_t>(i)];
    const Tensor& mean = m.first.values;
    backend_.blend(mean, momentum, mean, rest, m.gradient);
    backend_.blend(ahead[i], momentum, mean, rest, m.gradient);
    backend_.sum_squares(Stack{squares, count}[i], ahead[i]);
  }
  std::vector<float> sums(group.size());
  backend_.copy_to_host(sums.data(), squares);
  for (std::int64_t i = 0; i < count; ++i)
    backend_.blend(ahead[i], 1 / (std::sqrt(sums[static_cast<std::size_t>(i)]) + 1e-7f), ahead[i],
                   0, {});
  const Stack turned = orthogonal(backend_, scratch_, ahead, options_.products);
  const double rate = options_.muon_rate * share;
  const double tall = static_cast<double>(shape[0]) / static_cast<double>(shape[1]);
  for (std::int64_t i = 0; i < count; ++i) {
    const Moments& m = *group[static_cast<std::size_t>(i)];
    backend_.blend(m.weight, static_cast<float>(1 - rate * m.weight_decay), m.weight,
                   static_cast<float>(-rate * std::sqrt(std::max(1.0, tall))), turned[i]);
  }
}

std::vector<NamedTensor> Optimizer::state() const {
  std::vector<NamedTensor> state;
  const auto add = [&](const std::string& name, const Tensor& t) {
    if (!t.empty()) state.push_back({name, t});
  };
  for (const Moments& m : moments_) {
    add(m.name + ".first", m.first.values);
    add(m.name + ".first.scale", m.first.scale);
    add(m.name + ".second", m.second.values);
    add(m.name + ".second.scale", m.second.scale);
  }
  return state;
}

}  // namespace r1
