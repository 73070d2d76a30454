#include <algorithm>
#include <atomic>
#include <vector>

#include "kernels/cpu/attention_parts.h"
#include "kernels/cpu/cpu_backend.h"

// With p_j = e^(z_j - lse), dp_j = dy·v_j and dz_j = p_j (dp_j - dy·y):
//   dq_i += scale sum_j dz_j k_j    dk_j += scale dz_j q_i    dv_j += p_j dy_i    dA_j -= dz_j.
// dA_i += sum_j dz_j is left out: it is 0.

namespace r1 {
namespace {

using cpu::Documents;
using cpu::HeadRows;
using cpu::Part;
using cpu::Range;
using cpu::row;
using cpu::rows_of;
using cpu::Tile;

using Floats = std::vector<float>;

struct Gradients {
  const Tensor &dq, &dk, &dv, &dA, &dy, &y, &lse;
};

// What a part that does not end its document adds to gradients of its keys: [keys, hd], of values
// too, and [keys].
struct KeySums {
  Floats dk, dv, dA;
};

// Parts, one after the other.
template <typename T>
class PartBackward {
 public:
  PartBackward(const cpu::Kernels& kernels, const Documents& in, const Gradients& gradients)
      : kernels_(kernels),
        products_(kernels),
        scores_(kernels, in),
        in_(in),
        g_(gradients),
        hd_(in.head_size()) {}

  void run(const Part& part, KeySums& sums) {
    scores_.enter(part);
    keys_ = part.keys();
    const auto target = [&](const Tensor& gradient, Floats& sum) {
      if (part.ends_document || gradient.empty()) return rows_of(gradient, part.h, part.begin);
      sum.assign(static_cast<std::size_t>(keys_ * hd_), 0.0f);
      return HeadRows{sum.data(), hd_};
    };
    dk_ = target(g_.dk, sums.dk), dv_ = target(g_.dv, sums.dv);
    dA_.assign(static_cast<std::size_t>(keys_), 0.0f);
    by_key_ = products_.cut(key_room_, scores_.key_factors(), keys_, hd_);
    const HeadRows values = rows_of(in_.v, part.h, part.begin);
    by_value_ =
        products_.turn(value_room_, products_.factor(room_, values, keys_, hd_), keys_, hd_);
    scores_.for_tiles(part, [&](const Tile& tile) { add(tile); });
    if (!part.ends_document) return dA_.swap(sums.dA);
    for (std::int64_t j = 0; !g_.dA.empty() && j < keys_; ++j)
      row(g_.dA, part.begin + j)[part.h] += dA_[static_cast<std::size_t>(j)];
  }

 private:
  using Factors = typename cpu::Products<T>::Rows;
  using Terms = typename cpu::Products<T>::Terms;

  // What comes back through the rows of a tile, to all that they see.
  void add(const Tile& tile) {
    const std::int64_t R = tile.R;
    const HeadRows q = rows_of(in_.q, tile.r, tile.t), dy = rows_of(g_.dy, tile.r, tile.t);
    scores_.score(dz_, tile);
    begin_shares(tile);
    const Factors back = products_.factor(back_room_, dy, R, hd_);
    scores_.meet(p_, back, by_value_, tile);
    for (std::int64_t i = 0; i < R; ++i) weigh(tile, i);
    const Factors dz = products_.factor(dz_room_, {dz_.data(), tile.pitch}, R, tile.pitch),
                  p = products_.factor(p_room_, {p_.data(), tile.pitch}, R, tile.pitch);
    add_to_keys(dv_, p, back, tile);
    add_to_keys(dk_, dz, products_.factor(room_, q, R, hd_), tile);
    products_.add(rows_of(g_.dq, tile.r, tile.t), products_.left(left_room_, dz, R, tile.J), {0, R},
                  by_key_, scores_.terms(tile), hd_);
  }

  // to [J, hd] += the transpose of weights [R, J], times x [R, hd].
  void add_to_keys(const HeadRows& to, const Factors& weights, const Factors& x, const Tile& tile) {
    if (to.at == nullptr) return;
    const auto left = products_.left_turned(left_room_, weights, tile.R, tile.pitch);
    products_.add(to.from(tile.first), left, {0, tile.J},
                  products_.cut(right_room_, x, tile.R, hd_), {0, products_.terms(tile.R)}, hd_);
  }

  // What becomes dp begins with -dy·y.
  void begin_shares(const Tile& tile) {
    cpu::at_least(p_, tile.R * tile.pitch);
    for (std::int64_t i = 0; i < tile.R; ++i) {
      const float mean = kernels_.dot(rows_of(g_.dy, tile.r, tile.t + i).at,
                                      rows_of(g_.y, tile.r, tile.t + i).at, hd_);
      std::fill_n(p_.data() + i * tile.pitch, tile.pitch, -mean);
    }
  }

  // Scores become scale dz, and dp - dy·y becomes p.
  void weigh(const Tile& tile, std::int64_t i) {
    const Range seen = scores_.seen(tile, i);
    const std::int64_t n = seen.end - seen.begin;
    float *z = dz_.data() + i * tile.pitch, *dp = p_.data() + i * tile.pitch;
    kernels_.exp_sum(z + seen.begin, z + seen.begin, row(g_.lse, tile.t + i)[tile.r], n);
    kernels_.softmax_backward(z + seen.begin, dp + seen.begin, dA_.data() + tile.first + seen.begin,
                              in_.options.scale, n);
    scores_.clear_unseen(z, tile, i);
    scores_.clear_unseen(dp, tile, i);
  }

  const cpu::Kernels& kernels_;
  const cpu::Products<T> products_;
  cpu::TileScores<T> scores_;
  const Documents& in_;
  const Gradients& g_;
  const std::int64_t hd_;
  std::int64_t keys_ = 0;
  HeadRows dk_, dv_;  // of all keys
  Floats dA_;         // the same
  typename cpu::Products<T>::Right by_key_{}, by_value_{};
  Floats dz_, p_;  // of a tile
  Terms key_room_, value_room_, left_room_, right_room_;
  std::vector<typename cpu::Products<T>::Number> room_, back_room_, dz_room_, p_room_;
};

// Those of one key.
void add_sums(const cpu::Kernels& kernels, const Gradients& to, const Part& part,
              const KeySums& sums, std::int64_t key, std::int64_t hd) {
  const std::int64_t t = part.begin + key;
  const HeadRows dk = rows_of(to.dk, part.h, t), dv = rows_of(to.dv, part.h, t);
  if (dk.at != nullptr) kernels.axpy(dk.at, 1.0f, sums.dk.data() + key * hd, hd);
  if (dv.at != nullptr) kernels.axpy(dv.at, 1.0f, sums.dv.data() + key * hd, hd);
  if (!to.dA.empty()) row(to.dA, t)[part.h] += sums.dA[static_cast<std::size_t>(key)];
}

}  // namespace

// Threads take parts as they come: no two add to one place.
void CpuBackend::attention_backward(const Tensor& dq, const Tensor& dk, const Tensor& dv,
                                    const Tensor& dA, const Tensor& dy, const Tensor& y,
                                    const Tensor& lse, const Tensor& q, const Tensor& k,
                                    const Tensor& v, const Tensor& A, const Tensor& start,
                                    const AttentionOptions& options) {
  const Documents in{q, k, v, A, start, options};
  const Gradients gradients{dq, dk, dv, dA, dy, y, lse};
  const std::vector<Part> parts = cpu::parts_of(in);
  std::vector<KeySums> sums(parts.size());
  const auto run = [&](auto type) {
    std::atomic<std::size_t> next = 0;
    for_rows(std::min<std::int64_t>(std::ssize(parts), pool_.threads()), in.work(),
             [&](std::int64_t, std::int64_t) {
               PartBackward<decltype(type)> backward(kernels_, in, gradients);
               for (std::size_t i = next++; i < parts.size(); i = next++)
                 backward.run(parts[i], sums[i]);
             });
  };
  cpu::with_products(options, kernels_, run);
  const std::int64_t hd = in.head_size();
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (!parts[i].ends_document)
      for_rows(parts[i].keys(), 2 * hd, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t t = begin; t < end; ++t)
          add_sums(kernels_, gradients, parts[i], sums[i], t, hd);
      });
}

}  // namespace r1
