#include "lib/train/head_loss.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace r1 {
namespace {

constexpr std::int64_t kLogits = std::int64_t{4} << 20;  // at once

// Rows [begin, begin + n) of a plain matrix.
Tensor rows_of(const Tensor& t, std::int64_t begin, std::int64_t n) {
  const std::size_t size = t.bytes() / static_cast<std::size_t>(t.rows());
  Tensor part = t;
  part.data = t.as<std::byte>() + static_cast<std::size_t>(begin) * size;
  part.shape = {n, t.cols()};
  return part;
}

}  // namespace

double head_loss(Graph& g, const Var& hidden, const Var& head,
                 std::span<const std::int32_t> targets, float share) {
  Backend& backend = g.backend();
  const std::int64_t R = hidden.value.rows(), V = head.value.rows();
  const std::int64_t each = std::min(R, std::max<std::int64_t>(16, kLogits / V / 16 * 16));
  const Tensor logits = g.take({each, V}), losses = g.take({each});
  const Tensor ids = g.integers(targets);
  const bool back = g.training();
  const Tensor dlogits = back ? g.take({each, V}) : Tensor{};
  const Tensor shares =
      back ? g.floats(std::vector<float>(static_cast<std::size_t>(each), share)) : Tensor{};
  std::vector<float> host(static_cast<std::size_t>(each));
  double sum = 0;
  for (std::int64_t begin = 0; begin < R; begin += each) {
    const std::int64_t n = std::min(each, R - begin);
    const auto first = [&](Tensor t) {
      t.shape = t.shape.rank() == 1 ? Shape{n} : Shape{n, V};
      return t;
    };
    const Tensor x = rows_of(hidden.value, begin, n), y = first(logits), loss = first(losses);
    Tensor target = ids;
    target.data = ids.as<std::int32_t>() + begin;
    target.shape = {n};
    backend.linear(y, x, head.value, {});
    backend.cross_entropy(loss, y, target);
    backend.copy_to_host(host.data(), loss);
    sum = std::accumulate(host.begin(), host.begin() + n, sum);
    if (!back) continue;
    const Tensor dy = first(dlogits);
    backend.zero(dy);
    backend.cross_entropy_backward(dy, first(shares), y, target);
    backend.linear_backward(rows_of(hidden.grad, begin, n), head.grad, dy, x, head.value);
  }
  return sum;
}

}  // namespace r1
