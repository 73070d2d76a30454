#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {

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

}  // namespace r1
