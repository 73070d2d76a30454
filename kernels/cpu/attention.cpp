#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {

using cpu::first_seen;
using cpu::row;

// Each document is a sequence with pages of its own, so that training and decoding share a kernel.
void CpuBackend::attention(const Tensor& y, const Tensor& lse, const Tensor& q, const Tensor& k,
                           const Tensor& v, const Tensor& A, const Tensor& start,
                           const AttentionOptions& options) {
  const std::int64_t T = q.shape[0], KV = k.shape[1], hd = k.shape[2];
  std::vector<std::int32_t> sequence, position, table;
  const std::int64_t most = (T + kPageTokens - 1) / kPageTokens;  // pages of one document
  std::int32_t pages = 0;
  for (std::int64_t t = 0; t < T; ++t) {
    const std::int64_t j = t - start.as<std::int32_t>()[t];
    if (j == 0) table.resize(table.size() + static_cast<std::size_t>(most), -1);
    sequence.push_back(static_cast<std::int32_t>(table.size()) / static_cast<std::int32_t>(most) -
                       1);
    position.push_back(static_cast<std::int32_t>(j));
    if (j % kPageTokens == 0)
      table[table.size() - static_cast<std::size_t>(most - j / kPageTokens)] = pages++;
  }
  const auto label = [](std::vector<std::int32_t>& values, const Shape& shape) {
    return Tensor{values.data(), shape, DType::i32, Device::cpu};
  };
  const auto room = [](std::vector<float>& memory, const Shape& shape) {
    memory.resize(static_cast<std::size_t>(shape.elements()));
    return Tensor{memory.data(), shape, DType::f32, Device::cpu};
  };
  const Shape page = {pages, KV, kPageTokens, hd};
  PagedKv kv{.keys = room(keys_, page), .values = room(values_, page)};
  if (!A.empty()) kv.decay = room(decay_, {pages, KV, kPageTokens});
  kv.table = label(table, {static_cast<std::int64_t>(table.size()) / most, most});
  const Tensor sequences = label(sequence, {T}), positions = label(position, {T});
  kv_store(kv, k, v, A, sequences, positions);
  attend_pages(y, lse, q, kv, A, sequences, positions, options);
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
