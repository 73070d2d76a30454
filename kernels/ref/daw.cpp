#include <vector>

#include "kernels/ref/ref_backend.h"
#include "kernels/ref/rows.h"

namespace r1 {
namespace {

using ref::add_to;
using ref::row;
using ref::sigmoid;
using ref::softplus;

// What a newline takes from the gate of head h, and 0 without that part of DAW.
double newline_cost(const Tensor& l, std::int64_t h) {
  return l.empty() ? 0.0 : 8.0 * softplus(double{l.as<float>()[h]} - 4.0);
}

bool is_newline(const Tensor& newline, std::int64_t t) {
  return !newline.empty() && newline.as<std::int32_t>()[t] != 0;
}

// u_t of head h: the gate is sigmoid(u).
double gate_input(const Tensor& a, const Tensor& b, const Tensor& l, const Tensor& newline,
                  std::int64_t t, std::int64_t h) {
  const double u = double{row(a, t)[h]} + b.as<float>()[h];
  return is_newline(newline, t) ? u - newline_cost(l, h) : u;
}

}  // namespace

// A is rounded at every row, because the cache keeps it so: token by token and all at once give
// the same bits.
void RefBackend::daw_decay(const Tensor& A, const Tensor& a, const Tensor& b, const Tensor& l,
                           const Tensor& newline, const Tensor& start, const Tensor& base) {
  for (std::int64_t t = 0; t < a.rows(); ++t)
    for (std::int64_t h = 0; h < a.cols(); ++h) {
      double before = 0.0;
      if (start.as<std::int32_t>()[t] < t)
        before = row(A, t - 1)[h];
      else if (!base.empty())
        before = row(base, t)[h];
      const double log_gate = -softplus(-gate_input(a, b, l, newline, t, h));
      row(A, t)[h] = static_cast<float>(before + log_gate);
    }
}

// du_t = sigmoid(-u_t) (sum of dA_j for j >= t in the document);
// da += du;  db += sum of du;  dl -= 8 sigmoid(l - 4) (sum of du at newlines).
void RefBackend::daw_decay_backward(const Tensor& da, const Tensor& db, const Tensor& dl,
                                    const Tensor& dA, const Tensor& a, const Tensor& b,
                                    const Tensor& l, const Tensor& newline, const Tensor& start) {
  for (std::int64_t h = 0; h < a.cols(); ++h) {
    double after = 0.0, sum = 0.0, newline_sum = 0.0;
    for (std::int64_t t = a.rows() - 1; t >= 0; --t) {
      after += row(dA, t)[h];
      const double du = after * sigmoid(-gate_input(a, b, l, newline, t, h));
      sum += du;
      if (is_newline(newline, t)) newline_sum += du;
      if (!da.empty()) add_to(row(da, t)[h], du);
      if (start.as<std::int32_t>()[t] == t) after = 0.0;
    }
    if (!db.empty()) add_to(db.as<float>()[h], sum);
    if (!dl.empty())
      add_to(dl.as<float>()[h], -8.0 * sigmoid(double{l.as<float>()[h]} - 4.0) * newline_sum);
  }
}

void RefBackend::daw_gain(const Tensor& y, const Tensor& q, const Tensor& a, const Tensor& b) {
  const std::int64_t H = q.shape[1], hd = q.shape[2], group = H / a.cols();
  for (std::int64_t r = 0; r < q.rows(); ++r) {
    const std::int64_t t = r / H, h = (r % H) / group;
    const double gain = 2.0 * sigmoid(double{row(a, t)[h]} + b.as<float>()[h]);
    for (std::int64_t d = 0; d < hd; ++d) row(y, r)[d] = static_cast<float>(gain * row(q, r)[d]);
  }
}

// dq += g dy;  da += (sum of q dy over the group) g (1 - g/2), the slope of 2 sigmoid;  db += da.
void RefBackend::daw_gain_backward(const Tensor& dq, const Tensor& da, const Tensor& db,
                                   const Tensor& dy, const Tensor& q, const Tensor& a,
                                   const Tensor& b) {
  const std::int64_t T = q.shape[0], H = q.shape[1], hd = q.shape[2];
  const std::int64_t KV = a.cols(), group = H / KV;
  for (std::int64_t h = 0; h < KV; ++h) {
    double bias_sum = 0.0;
    for (std::int64_t t = 0; t < T; ++t) {
      const double gain = 2.0 * sigmoid(double{row(a, t)[h]} + b.as<float>()[h]);
      double sum = 0.0;
      for (std::int64_t r = t * H + h * group; r < t * H + (h + 1) * group; ++r)
        for (std::int64_t d = 0; d < hd; ++d) {
          sum += double{row(q, r)[d]} * row(dy, r)[d];
          if (!dq.empty()) add_to(row(dq, r)[d], gain * row(dy, r)[d]);
        }
      sum *= gain * (1.0 - gain / 2.0);
      bias_sum += sum;
      if (!da.empty()) add_to(row(da, t)[h], sum);
    }
    if (!db.empty()) add_to(db.as<float>()[h], bias_sum);
  }
}

}  // namespace r1
