#include "lib/train/head_loss.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace r1 {
namespace {

// Logits at once: as many as stay in a processor's caches, or as give a card something to do.
std::int64_t most_logits(Device device) {
  return std::int64_t{device == Device::cpu ? 4 : 64} << 20;
}

// Rows [begin, begin + n) of a plain matrix, or numbers of a vector.
Tensor rows_of(const Tensor& t, std::int64_t begin, std::int64_t n) {
  const std::size_t size = t.bytes() / static_cast<std::size_t>(t.shape[0]);
  Tensor part = t;
  part.data = t.as<std::byte>() + static_cast<std::size_t>(begin) * size;
  part.shape = t.shape.rank() == 1 ? Shape{n} : Shape{n, t.cols()};
  return part;
}

}  // namespace

std::vector<float> head_losses(Graph& g, const Var& hidden, const Var& head,
                               std::span<const std::int32_t> targets,
                               std::span<const float> shares) {
  Backend& backend = g.backend();
  const std::int64_t R = hidden.value.rows(), V = head.value.rows();
  const std::int64_t each =
      std::min(R, std::max<std::int64_t>(16, most_logits(backend.device()) / V / 16 * 16));
  const bool back = !shares.empty();
  const Tensor logits = g.take({each, V}), losses = g.take({R});
  const Tensor ids = g.integers(targets);
  const Tensor dlogits = back ? g.take({each, V}) : Tensor{};
  const Tensor dlosses = back ? g.floats(shares) : Tensor{};
  const Tensor dhidden = back ? g.gradient(hidden) : Tensor{};
  for (std::int64_t begin = 0; begin < R; begin += each) {
    const std::int64_t n = std::min(each, R - begin);
    const Tensor x = rows_of(hidden.value, begin, n), y = rows_of(logits, 0, n);
    const Tensor target = rows_of(ids, begin, n);
    const Operand read = g.multiply(y, x, head);
    backend.cross_entropy(rows_of(losses, begin, n), y, target);
    if (!back) continue;
    const Tensor dy = rows_of(dlogits, 0, n);
    backend.zero(dy);
    backend.cross_entropy_backward(dy, rows_of(dlosses, begin, n), y, target);
    g.multiply_backward(rows_of(dhidden, begin, n), head.grad, dy, read, head);
  }
  std::vector<float> host(static_cast<std::size_t>(R));
  backend.copy_to_host(host.data(), losses);
  return host;
}

double head_loss(Graph& g, const Var& hidden, const Var& head,
                 std::span<const std::int32_t> targets, float share) {
  const std::vector<float> shares(g.training() ? targets.size() : 0, share);
  const std::vector<float> losses = head_losses(g, hidden, head, targets, shares);
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

}  // namespace r1
