#include <algorithm>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/panels.h"
#include "kernels/cpu/rows.h"

// With p_j = e^(z_j - lse), dp_j = dy·v_j and dz_j = p_j (dp_j - dy·y):
//   dq_i += scale sum_j dz_j k_j    dk_j += scale dz_j q_i    dv_j += p_j dy_i    dA_j -= dz_j.
// dA_i += sum_j dz_j is left out: it is 0. Some rows at a time meet all columns that one of them
// sees: five products of matrices.

namespace r1 {
namespace {

using cpu::first_seen;
using cpu::kPanelRows;
using cpu::PanelType;
using cpu::row;

constexpr std::int64_t kTile = 64;  // rows

using Floats = std::vector<float>;

float& at(Floats& v, std::int64_t i) { return v[static_cast<std::size_t>(i)]; }
Floats zeros(std::int64_t n) { return Floats(static_cast<std::size_t>(n)); }
std::int64_t whole_panels(std::int64_t n) { return (n + kPanelRows - 1) / kPanelRows * kPanelRows; }

// One head of a [T, H, hd] tensor in the forms that its products take: strips of 16 columns, panels
// of 16 rows, or rows.
struct Head {
  Head(const Tensor& x, std::int64_t head, float scale) : T(x.shape[0]), hd(x.shape[2]) {
    rows = zeros(T * hd);
    for (std::int64_t t = 0; t < T; ++t) {
      const float* from = row(x, t * x.shape[1] + head);
      for (std::int64_t d = 0; d < hd; ++d) at(rows, t * hd + d) = scale * from[d];
    }
  }
  Head& with_panels() {
    panels = zeros(whole_panels(T) * hd);
    for (std::int64_t t = 0; t < T; ++t)
      for (std::int64_t d = 0; d < hd; ++d)
        at(panels, (t / kPanelRows * hd + d) * kPanelRows + t % kPanelRows) = at(rows, t * hd + d);
    return *this;
  }
  Head& with_strips() {
    const std::int64_t even = whole_panels(T);
    strips = zeros(whole_panels(hd) * even);
    for (std::int64_t d = 0; d < hd; d += kPanelRows)
      cpu::copy_strip(&at(strips, d * even), &at(rows, d), hd, T,
                      std::min<std::int64_t>(kPanelRows, hd - d));
    return *this;
  }

  const float* panel(std::int64_t t) const { return panels.data() + t * hd; }
  const float* strip(std::int64_t d, std::int64_t t) const {
    return strips.data() + d * whole_panels(T) + t * kPanelRows;
  }

  std::int64_t T, hd;
  Floats rows, panels, strips;
};

class HeadBackward {
 public:
  HeadBackward(const cpu::Kernels& kernels, std::int64_t T, std::int64_t hd)
      : dq(zeros(T * hd)),
        dk(dq),
        dv(dq),
        dA(zeros(T)),
        kernels_(kernels),
        scores_(zeros(kTile * whole_panels(T))),
        shares_(scores_) {}

  struct Inputs {
    const Head &q, &k, &v, &dy;
    const float *lse, *mean;    // [T]: of this head; dy·y
    const float* A;             // [T], or null
    const std::int32_t* start;  // [T]
    std::int64_t window;
  };

  // Rows [begin, end), of one head of queries, and all that they see.
  void run(const Inputs& in, std::int64_t begin, std::int64_t end) {
    const std::int64_t hd = in.q.hd, R = end - begin;
    const std::int64_t first =
        first_seen(in.start[begin], begin, in.window) / kPanelRows * kPanelRows;
    const std::int64_t J = whole_panels(end - first);
    for (std::int64_t j = 0; j < J; j += kPanelRows) {
      multiply(scores_.data() + j, J, in.k.panel(first + j), in.q.rows.data() + begin * hd, R, hd);
      multiply(shares_.data() + j, J, in.v.panel(first + j), in.dy.rows.data() + begin * hd, R, hd);
    }
    for (std::int64_t r = 0; r < R; ++r) weigh(in, begin + r, first, J, r * J);
    // scores_ holds dz now, and shares_ p.
    const std::int64_t seen = std::min(J, in.q.T - first);
    add(dq, begin, R, {scores_.data(), J, 1}, J, in.k, first);
    add(dk, first, seen, {scores_.data(), 1, J}, R, in.q, begin);
    add(dv, first, seen, {shares_.data(), 1, J}, R, in.dy, begin);
  }

  Floats dq, dk, dv;  // [T, hd]: of one head of queries; of the key head
  Floats dA;          // [T]

 private:
  // y [R, 16], rows `stride` apart, = a [R, I] times a panel.
  void multiply(float* y, std::int64_t stride, const float* panel, const float* a, std::int64_t R,
                std::int64_t I) const {
    kernels_.product(PanelType::f32, y, stride, panel, {.f32 = a}, {0, R}, I, kPanelRows);
  }

  // A row of scores and one of dp become dz and p.
  void weigh(const Inputs& in, std::int64_t i, std::int64_t first, std::int64_t J,
             std::int64_t place) {
    float *z = scores_.data() + place, *dp = shares_.data() + place;
    const std::int64_t low = first_seen(in.start[i], i, in.window) - first, high = i - first + 1;
    if (in.A != nullptr)
      for (std::int64_t j = low; j < high; ++j) z[j] += in.A[i] - in.A[first + j];
    kernels_.exp_sum(z + low, z + low, in.lse[i], high - low);
    kernels_.softmax_backward(z + low, dp + low, dA.data() + first + low, in.mean[i], high - low);
    for (float* x : {z, dp}) {
      std::fill(x, x + low, 0.0f);
      std::fill(x + high, x + J, 0.0f);
    }
  }

  // to [rows from `place` on, hd] += a [R, I] times rows [first, first + I) of x.
  void add(Floats& to, std::int64_t place, std::int64_t R, const cpu::Strided& a, std::int64_t I,
           const Head& x, std::int64_t first) {
    for (std::int64_t d = 0; d < x.hd; d += kPanelRows)
      kernels_.add_product(to.data() + place * x.hd + d, x.hd, x.strip(d, first), a, {0, R}, I,
                           std::min<std::int64_t>(kPanelRows, x.hd - d));
  }

  const cpu::Kernels& kernels_;
  Floats scores_, shares_;  // [kTile, T]
};

}  // namespace

// A thread owns a key head, so no two add to one place.
void CpuBackend::attention_backward(const Tensor& dq, const Tensor& dk, const Tensor& dv,
                                    const Tensor& dA, const Tensor& dy, const Tensor& y,
                                    const Tensor& lse, const Tensor& q, const Tensor& k,
                                    const Tensor& v, const Tensor& A, const Tensor& start,
                                    const AttentionOptions& options) {
  const std::int64_t T = q.shape[0], H = q.shape[1], hd = q.shape[2];
  const std::int64_t KV = k.shape[1], group = H / KV;
  // Gradients of one head [T, hd] on their way into a [T, H, hd] tensor, or an empty one.
  const auto add_head = [&](const Tensor& to, std::int64_t h, const Floats& from, float scale) {
    for (std::int64_t t = 0; !to.empty() && t < T; ++t)
      kernels_.axpy(row(to, t * to.shape[1] + h), scale, from.data() + t * hd, hd);
  };
  for_rows(KV, T * T * hd * group, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t h = begin; h < end; ++h) {
      const Head keys = Head(k, h, 1.0f).with_panels().with_strips();
      const Head values = Head(v, h, 1.0f).with_panels();
      HeadBackward sums(kernels_, T, hd);
      Floats decay = zeros(A.empty() ? 0 : T), logs = zeros(T), mean = zeros(T);
      for (std::size_t t = 0; t < decay.size(); ++t)
        decay[t] = row(A, static_cast<std::int64_t>(t))[h];
      for (std::int64_t r = h * group; r < (h + 1) * group; ++r) {
        const Head queries = Head(q, r, options.scale).with_strips();
        const Head dys = Head(dy, r, 1.0f).with_strips();
        for (std::int64_t t = 0; t < T; ++t) {
          at(logs, t) = row(lse, t)[r];
          at(mean, t) = kernels_.dot(row(dy, t * H + r), row(y, t * H + r), hd);
        }
        const HeadBackward::Inputs in{.q = queries,
                                      .k = keys,
                                      .v = values,
                                      .dy = dys,
                                      .lse = logs.data(),
                                      .mean = mean.data(),
                                      .A = A.empty() ? nullptr : decay.data(),
                                      .start = start.as<std::int32_t>(),
                                      .window = options.window};
        std::fill(sums.dq.begin(), sums.dq.end(), 0.0f);
        for (std::int64_t t = 0; t < T; t += kTile) sums.run(in, t, std::min(T, t + kTile));
        add_head(dq, r, sums.dq, options.scale);
      }
      add_head(dk, h, sums.dk, 1.0f);  // queries are scaled already
      add_head(dv, h, sums.dv, 1.0f);
      if (!dA.empty())
        for (std::int64_t t = 0; t < T; ++t) row(dA, t)[h] += sums.dA[static_cast<std::size_t>(t)];
    }
  });
}

}  // namespace r1
