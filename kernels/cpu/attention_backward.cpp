#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/strips.h"

// With p_j = e^(z_j - lse), dp_j = dy·v_j and dz_j = p_j (dp_j - dy·y):
//   dq_i += scale sum_j dz_j k_j    dk_j += scale dz_j q_i    dv_j += p_j dy_i    dA_j -= dz_j.
// dA_i += sum_j dz_j is left out: it is 0. Some rows at a time meet all columns that one of them
// sees: five products of matrices.

namespace r1 {
namespace {

using cpu::first_seen;
using cpu::kPanelRows;
using cpu::row;

constexpr std::int64_t kTile = 64;  // rows

using Floats = std::vector<float>;

// Rows of one head, or of none.
struct HeadRows {
  float* at = nullptr;
  std::int64_t apart = 0;

  HeadRows from(std::int64_t first) const {
    return at == nullptr ? *this : HeadRows{at + first * apart, apart};
  }
};
// Of a [T, H, hd] tensor, from one on.
HeadRows rows_of(const Tensor& x, std::int64_t head, std::int64_t first) {
  if (x.empty()) return {};
  return {row(x, first * x.shape[1] + head), x.shape[1] * x.shape[2]};
}

// x [n, hd] as strips of columns: [hd / 16, n, 16].
void cut(Floats& strips, const HeadRows& x, std::int64_t n, std::int64_t hd) {
  strips.resize(static_cast<std::size_t>((hd + kPanelRows - 1) / kPanelRows * kPanelRows * n));
  cpu::join_strips<kPanelRows>(strips.data(), x.at, x.apart, n, hd);
}

struct Attention {  // what attention_backward is given
  const Tensor &dq, &dk, &dv, &dA, &dy, &y, &lse, &q, &k, &v, &A, &start;
  const AttentionOptions& options;
};

// Rows [first, last) of a document that begins at row `begin`, with key head h.
struct Part {
  std::int64_t h, begin, first, last;
  bool ends_document;

  std::int64_t keys() const { return last - begin; }  // that its rows see
  std::int64_t work() const { return (last - first) * (first + last - 2 * begin); }
};

// A long document with few key heads is several parts of equal work, so that all threads have some.
// How many, and their order, the longest first, go by shapes alone, and so do the bits of the sums.
std::vector<Part> parts_of(const Attention& in) {
  constexpr std::int64_t kWanted = 32, kLeast = 4 * kTile;
  const std::int64_t T = in.q.shape[0], KV = in.k.shape[1];
  std::vector<std::int64_t> begins;
  for (std::int64_t t = 0; t < T; ++t)
    if (in.start.as<std::int32_t>()[t] == t) begins.push_back(t);
  const std::int64_t wanted = kWanted / (std::ssize(begins) * KV);
  begins.push_back(T);
  std::vector<Part> parts;
  for (std::size_t d = 0; d + 1 < begins.size(); ++d) {
    const std::int64_t begin = begins[d], rows = begins[d + 1] - begin,
                       count = std::clamp<std::int64_t>(wanted, 1,
                                                        std::max<std::int64_t>(1, rows / kLeast));
    const auto bound = [&](std::int64_t i) {
      const double share = static_cast<double>(i) / static_cast<double>(count),
                   place =
                       in.options.window > 0 ? share : std::sqrt(share);  // a row sees all before
      return begin +
             (i == count ? rows : std::llround(place * static_cast<double>(rows)) / kTile * kTile);
    };
    for (std::int64_t h = 0; h < KV; ++h)
      for (std::int64_t i = 0; i < count; ++i)
        parts.push_back({h, begin, bound(i), bound(i + 1), i + 1 == count});
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Part& a, const Part& b) { return a.work() > b.work(); });
  return parts;
}

// What a part that does not end its document adds to gradients of its keys: [keys, hd], of values
// too, and [keys].
struct KeySums {
  Floats dk, dv, dA;
};

// Parts, one after the other.
class PartBackward {
 public:
  PartBackward(const cpu::Kernels& kernels, const Attention& attention)
      : kernels_(kernels), in_(attention), hd_(attention.q.shape[2]) {}

  void run(const Part& part, KeySums& sums) {
    const std::int64_t h = part.h, keys = part.keys(), group = in_.q.shape[1] / in_.k.shape[1];
    begin_ = part.begin, end_ = part.last;
    const auto target = [&](const Tensor& gradient, Floats& sum) {
      if (part.ends_document || gradient.empty()) return rows_of(gradient, h, begin_);
      sum.assign(static_cast<std::size_t>(keys * hd_), 0.0f);
      return HeadRows{sum.data(), hd_};
    };
    dk_ = target(in_.dk, sums.dk), dv_ = target(in_.dv, sums.dv);
    turn(keys_, rows_of(in_.k, h, begin_), in_.options.scale);
    turn(values_, rows_of(in_.v, h, begin_), 1.0f);
    cut(key_strips_, rows_of(in_.k, h, begin_), keys, hd_);
    dA_.assign(static_cast<std::size_t>(keys), 0.0f);
    decay_.resize(in_.A.empty() ? 0 : dA_.size());
    for (std::size_t t = 0; t < decay_.size(); ++t)
      decay_[t] = row(in_.A, begin_ + static_cast<std::int64_t>(t))[h];
    for (std::int64_t r = h * group; r < (h + 1) * group; ++r)
      for (std::int64_t t = part.first; t < part.last; t += kTile)
        tile(r, t, std::min(part.last, t + kTile));
    if (!part.ends_document) return dA_.swap(sums.dA);
    for (std::int64_t t = begin_; !in_.dA.empty() && t < end_; ++t)
      row(in_.dA, t)[h] += dA_[static_cast<std::size_t>(t - begin_)];
  }

 private:
  // Keys or values of the document as panels of their transpose: [rows / 16, hd, 16].
  void turn(Floats& panels, const HeadRows& x, float scale) const {
    const std::int64_t n = end_ - begin_;
    panels.resize(static_cast<std::size_t>((n + kPanelRows - 1) / kPanelRows * kPanelRows * hd_));
    for (std::int64_t i = 0; i < n; i += kPanelRows)
      kernels_.turn(panels.data() + i * hd_, scale, x.at + i * x.apart, x.apart,
                    std::min<std::int64_t>(kPanelRows, n - i), hd_);
  }

  // Rows [t, last) of head r of queries, and all that they see.
  void tile(std::int64_t r, std::int64_t t, std::int64_t last) {
    const std::int64_t R = last - t;
    const std::int64_t first = (seen(t) - begin_) / kPanelRows * kPanelRows,
                       J = last - begin_ - first;
    scores_.resize(static_cast<std::size_t>(R * J));
    shares_.resize(scores_.size());
    for (std::int64_t i = 0; i < R; ++i) begin_row(r, t + i, first, J, i * J);
    const HeadRows q = rows_of(in_.q, r, t), dy = rows_of(in_.dy, r, t);
    for (std::int64_t j = 0; j < J; j += kPanelRows) {
      const std::int64_t panel = (first + j) * hd_, n = std::min<std::int64_t>(kPanelRows, J - j);
      const cpu::Range rows = {std::max<std::int64_t>(0, R - J + j), R};  // earlier ones see none
      const auto add = [&](Floats& y, const Floats& panels, const HeadRows& x) {
        kernels_.add_product(y.data() + j, J, panels.data() + panel, {x.at, x.apart, 1}, rows, hd_,
                             n);
      };
      add(scores_, keys_, q);
      add(shares_, values_, dy);
    }
    for (std::int64_t i = 0; i < R; ++i) weigh(r, t + i, first, J, i * J);
    cut(strips_, q, R, hd_);
    add(dk_.from(first), J, {scores_.data(), 1, J}, R, strips_.data(), R);
    cut(strips_, dy, R, hd_);
    add(dv_.from(first), J, {shares_.data(), 1, J}, R, strips_.data(), R);
    add(rows_of(in_.dq, r, t), R, {scores_.data(), J, 1}, J,
        key_strips_.data() + first * kPanelRows, end_ - begin_);
  }

  std::int64_t seen(std::int64_t i) const { return first_seen(begin_, i, in_.options.window); }

  // Scores begin with what DAW adds to them, and what becomes dp with -dy·y.
  void begin_row(std::int64_t r, std::int64_t i, std::int64_t first, std::int64_t J,
                 std::int64_t place) {
    float *z = scores_.data() + place, *dp = shares_.data() + place;
    const float mean = kernels_.dot(rows_of(in_.dy, r, i).at, rows_of(in_.y, r, i).at, hd_);
    std::fill(dp, dp + J, -mean);
    std::fill(z, z + J, 0.0f);
    const float* decay = decay_.data();
    for (std::int64_t j = 0; j < J && !decay_.empty(); ++j)
      z[j] = decay[i - begin_] - decay[first + j];
  }

  // Scores become scale dz, and dp - dy·y becomes p.
  void weigh(std::int64_t r, std::int64_t i, std::int64_t first, std::int64_t J,
             std::int64_t place) {
    float *z = scores_.data() + place, *dp = shares_.data() + place;
    const std::int64_t low = seen(i) - begin_ - first, high = i + 1 - begin_ - first;
    kernels_.exp_sum(z + low, z + low, row(in_.lse, i)[r], high - low);
    kernels_.softmax_backward(z + low, dp + low, dA_.data() + first + low, in_.options.scale,
                              high - low);
    for (float* x : {z, dp}) {
      std::fill(x, x + low, 0.0f);
      std::fill(x + high, x + J, 0.0f);
    }
  }

  // to [R, hd] += a [R, I] times strips, of `rows` rows each.
  void add(const HeadRows& to, std::int64_t R, const cpu::Strided<float>& a, std::int64_t I,
           const float* strips, std::int64_t rows) const {
    for (std::int64_t d = 0; to.at != nullptr && d < hd_; d += kPanelRows)
      kernels_.add_product(to.at + d, to.apart, strips + d * rows, a, {0, R}, I,
                           std::min<std::int64_t>(kPanelRows, hd_ - d));
  }

  const cpu::Kernels& kernels_;
  const Attention& in_;
  std::int64_t hd_, begin_ = 0, end_ = 0;
  Floats keys_, values_, key_strips_, strips_;
  Floats scores_, shares_;  // [rows of a tile, columns that they see]
  Floats decay_, dA_;       // of the keys; decay_ is empty without DAW
  HeadRows dk_, dv_;        // of all keys
};

// Those of one key.
void add_sums(const cpu::Kernels& kernels, const Attention& to, const Part& part,
              const KeySums& sums, std::int64_t key) {
  const std::int64_t t = part.begin + key, hd = to.q.shape[2];
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
  const Attention in{dq, dk, dv, dA, dy, y, lse, q, k, v, A, start, options};
  const std::int64_t T = q.shape[0], hd = q.shape[2];
  const std::vector<Part> parts = parts_of(in);
  std::vector<KeySums> sums(parts.size());
  std::atomic<std::size_t> next = 0;
  for_rows(std::clamp<std::int64_t>(std::ssize(parts), 1, pool_.threads()),
           T * T * q.cols() * q.shape[1], [&](std::int64_t, std::int64_t) {
             PartBackward backward(kernels_, in);
             for (std::size_t i = next++; i < parts.size(); i = next++)
               backward.run(parts[i], sums[i]);
           });
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (!parts[i].ends_document)
      for_rows(parts[i].keys(), 2 * hd, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t t = begin; t < end; ++t) add_sums(kernels_, in, parts[i], sums[i], t);
      });
}

}  // namespace r1
