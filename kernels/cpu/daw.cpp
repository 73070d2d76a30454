#include <cmath>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {
namespace {

using cpu::row;

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

// log(1 + exp(x)) without overflow.
double softplus(double x) { return std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }

// u of one head at each row: the gate is sigmoid(u). In double: there are KV numbers a row, and
// what they are off by adds up along the text.
class Gate {
 public:
  Gate(const Tensor& a, const Tensor& b, const Tensor& l, const Tensor& newline, std::int64_t h)
      : a_(a),
        newline_(newline),
        h_(h),
        b_(b.as<float>()[h]),
        cost_(l.empty() ? 0.0 : 8.0 * softplus(double{l.as<float>()[h]} - 4.0)) {}

  bool newline(std::int64_t t) const {
    return !newline_.empty() && newline_.as<std::int32_t>()[t] != 0;
  }
  double input(std::int64_t t) const {
    return double{row(a_, t)[h_]} + b_ - (newline(t) ? cost_ : 0.0);
  }

 private:
  const Tensor& a_;
  const Tensor& newline_;
  std::int64_t h_;
  double b_, cost_;
};

}  // namespace

void CpuBackend::daw_decay(const Tensor& A, const Tensor& a, const Tensor& b, const Tensor& l,
                           const Tensor& newline, const Tensor& start, const Tensor& base) {
  for_rows(a.cols(), 64 * a.rows(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t h = begin; h < end; ++h) {
      const Gate gate(a, b, l, newline, h);
      for (std::int64_t t = 0; t < a.rows(); ++t) {
        double before = 0.0;
        if (start.as<std::int32_t>()[t] < t)
          before = row(A, t - 1)[h];
        else if (!base.empty())
          before = row(base, t)[h];
        row(A, t)[h] = static_cast<float>(before - softplus(-gate.input(t)));
      }
    }
  });
}

// du_t = sigmoid(-u_t) (sum of dA_j for j >= t in the document);
// da += du;  db += sum of du;  dl -= 8 sigmoid(l - 4) (sum of du at newlines).
void CpuBackend::daw_decay_backward(const Tensor& da, const Tensor& db, const Tensor& dl,
                                    const Tensor& dA, const Tensor& a, const Tensor& b,
                                    const Tensor& l, const Tensor& newline, const Tensor& start) {
  for_rows(a.cols(), 64 * a.rows(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t h = begin; h < end; ++h) {
      const Gate gate(a, b, l, newline, h);
      double after = 0.0, sum = 0.0, newline_sum = 0.0;
      for (std::int64_t t = a.rows() - 1; t >= 0; --t) {
        after += row(dA, t)[h];
        const double du = after * sigmoid(-gate.input(t));
        sum += du;
        if (gate.newline(t)) newline_sum += du;
        if (!da.empty()) row(da, t)[h] += static_cast<float>(du);
        if (start.as<std::int32_t>()[t] == t) after = 0.0;
      }
      if (!db.empty()) db.as<float>()[h] += static_cast<float>(sum);
      if (!dl.empty()) {
        const double slope = 8.0 * sigmoid(double{l.as<float>()[h]} - 4.0);
        dl.as<float>()[h] -= static_cast<float>(slope * newline_sum);
      }
    }
  });
}

void CpuBackend::daw_gain(const Tensor& y, const Tensor& q, const Tensor& a, const Tensor& b) {
  const std::int64_t H = q.shape[1], hd = q.shape[2], group = H / a.cols();
  for_rows(q.rows(), hd, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t h = r % H / group;
      const auto gain =
          static_cast<float>(2.0 * sigmoid(double{row(a, r / H)[h]} + b.as<float>()[h]));
      for (std::int64_t d = 0; d < hd; ++d) row(y, r)[d] = gain * row(q, r)[d];
    }
  });
}

// dq += g dy;  da += (sum of q dy over the group) g (1 - g/2), the slope of 2 sigmoid;  db += da.
void CpuBackend::daw_gain_backward(const Tensor& dq, const Tensor& da, const Tensor& db,
                                   const Tensor& dy, const Tensor& q, const Tensor& a,
                                   const Tensor& b) {
  const std::int64_t T = q.shape[0], H = q.shape[1], hd = q.shape[2];
  const std::int64_t KV = a.cols(), group = H / KV;
  for_rows(KV, T * group * hd, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t h = begin; h < end; ++h) {
      double bias_sum = 0.0;
      for (std::int64_t t = 0; t < T; ++t) {
        const double gain = 2.0 * sigmoid(double{row(a, t)[h]} + b.as<float>()[h]);
        double sum = 0.0;
        for (std::int64_t r = t * H + h * group; r < t * H + (h + 1) * group; ++r) {
          sum += kernels_.dot(row(q, r), row(dy, r), hd);
          if (!dq.empty()) kernels_.axpy(row(dq, r), static_cast<float>(gain), row(dy, r), hd);
        }
        sum *= gain * (1.0 - gain / 2.0);
        bias_sum += sum;
        if (!da.empty()) row(da, t)[h] += static_cast<float>(sum);
      }
      if (!db.empty()) db.as<float>()[h] += static_cast<float>(bias_sum);
    }
  });
}

}  // namespace r1
