#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {
namespace {

using cpu::Attend;
using cpu::kAttendBlock;
using cpu::row;

std::int64_t first_seen(std::int64_t start, std::int64_t i, std::int64_t window) {
  return window > 0 ? std::max(start, i - window + 1) : start;
}

Attend begin_row(float* y, const float* q, std::int64_t hd, float scale, float own) {
  std::fill(y, y + hd, 0.0f);
  return {q, hd, scale, own, -std::numeric_limits<float>::infinity(), 0.0f, y};
}

// Divides by the weights; returns the log of their sum.
float end_row(const Attend& a) {
  for (std::int64_t d = 0; d < a.hd; ++d) a.mean[d] /= a.sum;
  return a.largest + std::log(a.sum);
}

}  // namespace

void CpuBackend::attention(const Tensor& y, const Tensor& lse, const Tensor& q, const Tensor& k,
                           const Tensor& v, const Tensor& A, const Tensor& start,
                           const AttentionOptions& options) {
  const std::int64_t H = q.shape[1], hd = q.shape[2], KV = k.shape[1], group = H / KV;
  // Rows of all heads; late rows see more, so that rows are dealt out in turn.
  const std::int64_t rows = q.rows(), parts = pool_.threads();
  for_rows(parts, rows * k.shape[0] * hd / parts, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part)
      for (std::int64_t r = part; r < rows; r += parts) {
        const std::int64_t i = r / H, h = r % H / group;
        const float own = A.empty() ? 0.0f : row(A, i)[h];
        Attend state = begin_row(row(y, r), row(q, r), hd, options.scale, own);
        std::int64_t j = first_seen(start.as<std::int32_t>()[i], i, options.window);
        for (; j <= i; j += kAttendBlock)
          kernels_.attend_f32(state, {row(k, j * KV + h), row(v, j * KV + h), KV * hd,
                                      A.empty() ? nullptr : row(A, j) + h, KV,
                                      std::min<std::int64_t>(kAttendBlock, i - j + 1)});
        const float sum = end_row(state);
        if (!lse.empty()) row(lse, i)[r % H] = sum;
      }
  });
}

// With p_j = e^(z_j - lse), dp_j = dy·v_j and dz_j = p_j (dp_j - dy·y):
//   dq_i += scale sum_j dz_j k_j    dk_j += scale dz_j q_i    dv_j += p_j dy_i    dA_j -= dz_j.
// dA_i += sum_j dz_j is left out: it is 0. A thread owns a key head, so no two add to one place.
void CpuBackend::attention_backward(const Tensor& dq, const Tensor& dk, const Tensor& dv,
                                    const Tensor& dA, const Tensor& dy, const Tensor& y,
                                    const Tensor& lse, const Tensor& q, const Tensor& k,
                                    const Tensor& v, const Tensor& A, const Tensor& start,
                                    const AttentionOptions& options) {
  const std::int64_t T = q.shape[0], H = q.shape[1], hd = q.shape[2];
  const std::int64_t KV = k.shape[1], group = H / KV;
  const auto heads = [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> p(static_cast<std::size_t>(T));
    for (std::int64_t h = begin; h < end; ++h)
      for (std::int64_t g = 0; g < T * group; ++g) {
        const std::int64_t i = g / group, r = i * H + h * group + g % group;
        const std::int64_t first = first_seen(start.as<std::int32_t>()[i], i, options.window);
        for (std::int64_t j = first; j <= i; ++j) {
          float z = options.scale * kernels_.dot(row(q, r), row(k, j * KV + h), hd);
          if (!A.empty()) z += row(A, i)[h] - row(A, j)[h];
          p[static_cast<std::size_t>(j - first)] = z;
        }
        kernels_.exp_sum(p.data(), p.data(), row(lse, i)[r % H], i - first + 1);
        const float mean = kernels_.dot(row(dy, r), row(y, r), hd);
        for (std::int64_t j = first; j <= i; ++j) {
          const std::int64_t kr = j * KV + h;
          const float pj = p[static_cast<std::size_t>(j - first)];
          const float dz = pj * (kernels_.dot(row(dy, r), row(v, kr), hd) - mean);
          if (!dq.empty()) kernels_.axpy(row(dq, r), options.scale * dz, row(k, kr), hd);
          if (!dk.empty()) kernels_.axpy(row(dk, kr), options.scale * dz, row(q, r), hd);
          if (!dv.empty()) kernels_.axpy(row(dv, kr), pj, row(dy, r), hd);
          if (!dA.empty()) row(dA, j)[h] -= dz;
        }
      }
  };
  for_rows(KV, T * T * hd * group, heads);
}

}  // namespace r1
