#include <algorithm>
#include <atomic>
#include <cmath>

#include "kernels/cpu/attention_parts.h"
#include "kernels/cpu/cpu_backend.h"

namespace r1 {
namespace {

using cpu::Documents;
using cpu::HeadRows;
using cpu::Part;
using cpu::Range;
using cpu::rows_of;
using cpu::Tile;

// Parts, one after the other.
template <typename T>
class PartForward {
 public:
  PartForward(const cpu::Kernels& kernels, const Documents& in, const Tensor& y, const Tensor& lse)
      : kernels_(kernels), products_(kernels), scores_(kernels, in), in_(in), y_(y), lse_(lse) {}

  void run(const Part& part) {
    const std::int64_t hd = in_.head_size();
    scores_.enter(part);
    const HeadRows values = rows_of(in_.v, part.h, part.begin);
    const auto right = products_.cut(
        value_room_, products_.factor(room_, values, scores_.keys(), hd), scores_.keys(), hd);
    scores_.for_tiles(part, [&](const Tile& tile) {
      scores_.score(weights_, tile);
      const HeadRows y = rows_of(y_, tile.r, tile.t);
      for (std::int64_t i = 0; i < tile.R; ++i) {
        std::fill_n(y.from(i).at, hd, 0.0f);
        weigh(tile, i);
      }
      const auto weights =
          products_.factor(weight_room_, {weights_.data(), tile.pitch}, tile.R, tile.pitch);
      products_.add(y, products_.left(left_room_, weights, tile.R, tile.J), {0, tile.R}, right,
                    scores_.terms(tile), hd);
      for (std::int64_t i = 0; i < tile.R; ++i)
        for (std::int64_t d = 0; d < hd; ++d) y.from(i).at[d] /= sums_[i];
    });
  }

 private:
  // Scores become weights, by the largest of their row.
  void weigh(const Tile& tile, std::int64_t i) {
    const Range seen = scores_.seen(tile, i);
    float* row = weights_.data() + i * tile.pitch;
    float* z = row + seen.begin;
    const float largest = kernels_.largest(z, seen.end - seen.begin);
    sums_[i] = kernels_.exp_sum(z, z, largest, seen.end - seen.begin);
    scores_.clear_unseen(row, tile, i);
    if (!lse_.empty()) cpu::row(lse_, tile.t + i)[tile.r] = largest + std::log(sums_[i]);
  }

  const cpu::Kernels& kernels_;
  const cpu::Products<T> products_;
  cpu::TileScores<T> scores_;
  const Documents& in_;
  const Tensor &y_, &lse_;
  typename cpu::Products<T>::Terms value_room_, left_room_;
  std::vector<typename cpu::Products<T>::Number> room_, weight_room_;
  std::vector<float> weights_;  // of a tile
  float sums_[cpu::kTile];      // of its rows' weights
};

}  // namespace

// Threads take parts as they come.
void CpuBackend::attention(const Tensor& y, const Tensor& lse, const Tensor& q, const Tensor& k,
                           const Tensor& v, const Tensor& A, const Tensor& start,
                           const AttentionOptions& options) {
  const Documents in{q, k, v, A, start, options};
  const auto run = [&](auto type) {
    const std::vector<Part> parts = cpu::parts_of(in);
    std::atomic<std::size_t> next = 0;
    for_rows(std::min<std::int64_t>(std::ssize(parts), pool_.threads()), in.work(),
             [&](std::int64_t, std::int64_t) {
               PartForward<decltype(type)> forward(kernels_, in, y, lse);
               for (std::size_t i = next++; i < parts.size(); i = next++) forward.run(parts[i]);
             });
  };
  cpu::with_products(options, kernels_, run);
}

}  // namespace r1
