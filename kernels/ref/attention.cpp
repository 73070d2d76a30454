#include <vector>

#include "kernels/ref/attend.h"
#include "kernels/ref/ref_backend.h"
#include "kernels/ref/rows.h"

namespace r1 {
namespace {

using ref::add_to;
using ref::dot;
using ref::row;

// The past of row i and key head h inside a document: k, v [T, KV, hd]; A [T, KV] or empty.
auto past_in_document(const Tensor& k, const Tensor& v, const Tensor& A, const Tensor& start,
                      std::int64_t window, std::int64_t i, std::int64_t h) {
  const std::int64_t KV = k.shape[1];
  const std::int64_t first = ref::first_seen(start.as<std::int32_t>()[i], i, window);
  const auto key = [=](std::int64_t j) { return row(k, j * KV + h); };
  const auto value = [=](std::int64_t j) { return row(v, j * KV + h); };
  const auto decay = [=](std::int64_t j) { return A.empty() ? 0.0 : double{row(A, j)[h]}; };
  return ref::Past{first, i, key, value, decay};
}

}  // namespace

void RefBackend::attention(const Tensor& y, const Tensor& lse, const Tensor& q, const Tensor& k,
                           const Tensor& v, const Tensor& A, const Tensor& start,
                           const AttentionOptions& options) {
  const std::int64_t T = q.shape[0], H = q.shape[1], hd = q.shape[2], group = H / k.shape[1];
  for (std::int64_t i = 0; i < T; ++i)
    for (std::int64_t h = 0; h < H; ++h) {
      const auto past = past_in_document(k, v, A, start, options.window, i, h / group);
      const double sum =
          ref::attend(row(y, i * H + h), past, row(q, i * H + h), hd, options.scale, past.decay(i));
      if (!lse.empty()) row(lse, i)[h] = static_cast<float>(sum);
    }
}

// With p the softmax and dp_j = dy·v_j:  dz_j = p_j (dp_j - sum of p dp),
//   dq_i += scale sum_j dz_j k_j    dk_j += scale dz_j q_i    dv_j += p_j dy_i    dA_j -= dz_j.
// dA_i += sum_j dz_j is left out: it is 0. Everything is made again in double, y and lse are not
// needed.
void RefBackend::attention_backward(const Tensor& dq, const Tensor& dk, const Tensor& dv,
                                    const Tensor& dA, const Tensor& dy, const Tensor&,
                                    const Tensor&, const Tensor& q, const Tensor& k,
                                    const Tensor& v, const Tensor& A, const Tensor& start,
                                    const AttentionOptions& options) {
  const std::int64_t T = q.shape[0], H = q.shape[1], hd = q.shape[2];
  const std::int64_t KV = k.shape[1], group = H / KV;
  std::vector<double> sum_q(static_cast<std::size_t>(T * H * hd));   // [T, H, hd]
  std::vector<double> sum_k(static_cast<std::size_t>(T * KV * hd));  // [T, KV, hd]
  std::vector<double> sum_v(sum_k.size()), sum_A(static_cast<std::size_t>(T * KV));
  for (std::int64_t r = 0; r < T * H; ++r) {
    const std::int64_t i = r / H, h = (r % H) / group;
    const auto past = past_in_document(k, v, A, start, options.window, i, h);
    std::vector<double> p = ref::scores(past, row(q, r), hd, options.scale, past.decay(i)), dp;
    ref::softmax(p);
    double mean = 0.0;
    for (std::int64_t j = past.first; j <= i; ++j) {
      dp.push_back(dot(row(dy, r), past.value(j), hd));
      mean += p[dp.size() - 1] * dp.back();
    }
    for (std::size_t n = 0; n < p.size(); ++n) {
      const std::int64_t j = past.first + static_cast<std::int64_t>(n), kr = j * KV + h;
      const double dz = p[n] * (dp[n] - mean);
      sum_A[static_cast<std::size_t>(kr)] -= dz;
      for (std::int64_t d = 0; d < hd; ++d) {
        sum_q[static_cast<std::size_t>(r * hd + d)] += options.scale * dz * past.key(j)[d];
        sum_k[static_cast<std::size_t>(kr * hd + d)] += options.scale * dz * row(q, r)[d];
        sum_v[static_cast<std::size_t>(kr * hd + d)] += p[n] * row(dy, r)[d];
      }
    }
  }
  const auto add = [](const Tensor& to, const std::vector<double>& sum) {
    if (to.empty()) return;
    for (std::size_t n = 0; n < sum.size(); ++n) add_to(to.as<float>()[n], sum[n]);
  };
  add(dq, sum_q);
  add(dk, sum_k);
  add(dv, sum_v);
  add(dA, sum_A);
}

}  // namespace r1
