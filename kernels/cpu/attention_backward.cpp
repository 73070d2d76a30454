#include <algorithm>
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

// Rows of one head of a [T, H, hd] tensor, from one on; or of none.
struct HeadRows {
  HeadRows(const Tensor& x, std::int64_t head, std::int64_t first) {
    if (x.empty()) return;
    at = row(x, first * x.shape[1] + head);
    apart = x.shape[1] * x.shape[2];
  }
  float* at = nullptr;
  std::int64_t apart = 0;
};

// x [n, hd] as strips of columns: [hd / 16, n, 16].
void cut(Floats& strips, const HeadRows& x, std::int64_t n, std::int64_t hd) {
  strips.resize(static_cast<std::size_t>((hd + kPanelRows - 1) / kPanelRows * kPanelRows * n));
  cpu::join_strips<kPanelRows>(strips.data(), x.at, x.apart, n, hd);
}

struct Attention {  // what attention_backward is given
  const Tensor &dq, &dk, &dv, &dA, &dy, &y, &lse, &q, &k, &v, &A, &start;
  const AttentionOptions& options;
};

// Rows of documents and key heads, one after the other.
class HeadBackward {
 public:
  HeadBackward(const cpu::Kernels& kernels, const Attention& attention)
      : kernels_(kernels), in_(attention), hd_(attention.q.shape[2]) {}

  // The document of rows [begin, end), with key head h.
  void run(std::int64_t h, std::int64_t begin, std::int64_t end) {
    const std::int64_t group = in_.q.shape[1] / in_.k.shape[1];
    begin_ = begin, end_ = end;
    turn(keys_, {in_.k, h, begin}, in_.options.scale);
    turn(values_, {in_.v, h, begin}, 1.0f);
    cut(key_strips_, {in_.k, h, begin}, end - begin, hd_);
    dA_.assign(static_cast<std::size_t>(end - begin), 0.0f);
    decay_.resize(in_.A.empty() ? 0 : dA_.size());
    for (std::size_t t = 0; t < decay_.size(); ++t)
      decay_[t] = row(in_.A, begin + static_cast<std::int64_t>(t))[h];
    for (std::int64_t r = h * group; r < (h + 1) * group; ++r)
      for (std::int64_t t = begin; t < end; t += kTile) tile(h, r, t, std::min(end, t + kTile));
    for (std::int64_t t = begin; !in_.dA.empty() && t < end; ++t)
      row(in_.dA, t)[h] += dA_[static_cast<std::size_t>(t - begin)];
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
  void tile(std::int64_t h, std::int64_t r, std::int64_t t, std::int64_t last) {
    const std::int64_t R = last - t;
    const std::int64_t first = (seen(t) - begin_) / kPanelRows * kPanelRows,
                       J = last - begin_ - first;
    scores_.resize(static_cast<std::size_t>(R * J));
    shares_.resize(scores_.size());
    for (std::int64_t i = 0; i < R; ++i) begin_row(r, t + i, first, J, i * J);
    const HeadRows q(in_.q, r, t), dy(in_.dy, r, t);
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
    add({in_.dk, h, begin_ + first}, J, {scores_.data(), 1, J}, R, strips_.data(), R);
    cut(strips_, dy, R, hd_);
    add({in_.dv, h, begin_ + first}, J, {shares_.data(), 1, J}, R, strips_.data(), R);
    add({in_.dq, r, t}, R, {scores_.data(), J, 1}, J, key_strips_.data() + first * kPanelRows,
        end_ - begin_);
  }

  std::int64_t seen(std::int64_t i) const { return first_seen(begin_, i, in_.options.window); }

  // Scores begin with what DAW adds to them, and what becomes dp with -dy·y.
  void begin_row(std::int64_t r, std::int64_t i, std::int64_t first, std::int64_t J,
                 std::int64_t place) {
    float *z = scores_.data() + place, *dp = shares_.data() + place;
    const float mean = kernels_.dot(HeadRows(in_.dy, r, i).at, HeadRows(in_.y, r, i).at, hd_);
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
  Floats decay_, dA_;       // of the document; decay_ is empty without DAW
};

}  // namespace

// A thread owns a key head of a document, so no two add to one place.
void CpuBackend::attention_backward(const Tensor& dq, const Tensor& dk, const Tensor& dv,
                                    const Tensor& dA, const Tensor& dy, const Tensor& y,
                                    const Tensor& lse, const Tensor& q, const Tensor& k,
                                    const Tensor& v, const Tensor& A, const Tensor& start,
                                    const AttentionOptions& options) {
  const Attention in{dq, dk, dv, dA, dy, y, lse, q, k, v, A, start, options};
  const std::int64_t T = q.shape[0], KV = k.shape[1];
  std::vector<std::int64_t> documents;  // where they begin, and the end
  for (std::int64_t t = 0; t < T; ++t)
    if (start.as<std::int32_t>()[t] == t) documents.push_back(t);
  documents.push_back(T);
  const std::int64_t all = (static_cast<std::int64_t>(documents.size()) - 1) * KV,
                     parts = std::clamp<std::int64_t>(all, 1, pool_.threads());
  for_rows(parts, T * T * q.cols() * q.shape[1], [&](std::int64_t begin, std::int64_t end) {
    HeadBackward head(kernels_, in);
    for (std::int64_t part = begin; part < end; ++part)
      for (std::int64_t i = part; i < all; i += parts) {
        const auto document = static_cast<std::size_t>(i / KV);
        head.run(i % KV, documents[document], documents[document + 1]);
      }
  });
}

}  // namespace r1
