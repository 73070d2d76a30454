#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {
namespace {

using cpu::Attend;
using cpu::row;

static_assert(kPageTokens == cpu::kAttendBlock);  // a page is a block of attention

// The place of position j of sequence s and key head h: a row of kv.keys seen as
// [P KV kPageTokens, hd], an element of kv.decay.
std::int64_t place(const PagedKv& kv, std::int64_t s, std::int64_t h, std::int64_t j) {
  const std::int64_t page = kv.table.as<std::int32_t>()[s * kv.table.shape[1] + j / kPageTokens];
  return (page * kv.keys.shape[1] + h) * kPageTokens + j % kPageTokens;
}

std::byte* at(const Tensor& pages, std::int64_t place) {
  return pages.as<std::byte>() +
         static_cast<std::size_t>(place * pages.cols()) * block_bytes(pages.dtype);
}

}  // namespace

void CpuBackend::kv_store(const PagedKv& kv, const Tensor& k, const Tensor& v, const Tensor& A,
                          const Tensor& sequence, const Tensor& position) {
  const std::int64_t KV = k.shape[1], hd = k.shape[2];
  const auto put = [&](const Tensor& pages, std::int64_t to, const float* values) {
    if (pages.dtype == DType::f32)
      std::copy(values, values + hd, row(pages, to));
    else
      kernels_.to_bf16(reinterpret_cast<std::uint16_t*>(at(pages, to)), values, hd);
  };
  for (std::int64_t r = 0; r < k.rows(); ++r) {
    const std::int64_t t = r / KV, h = r % KV;
    const std::int64_t to =
        place(kv, sequence.as<std::int32_t>()[t], h, position.as<std::int32_t>()[t]);
    put(kv.keys, to, row(k, r));
    put(kv.values, to, row(v, r));
    if (!A.empty()) kv.decay.as<float>()[to] = row(A, t)[h];
  }
}

void CpuBackend::kv_load_decay(const Tensor& base, const PagedKv& kv, const Tensor& sequence,
                               const Tensor& position) {
  for (std::int64_t t = 0; t < base.rows(); ++t)
    for (std::int64_t h = 0; h < base.cols(); ++h) {
      const std::int64_t s = sequence.as<std::int32_t>()[t], j = position.as<std::int32_t>()[t];
      row(base, t)[h] = j == 0 ? 0.0f : kv.decay.as<float>()[place(kv, s, h, j - 1)];
    }
}

void CpuBackend::attention_paged(const Tensor& y, const Tensor& q, const PagedKv& kv,
                                 const Tensor& A, const Tensor& sequence, const Tensor& position,
                                 const AttentionOptions& options) {
  const std::int64_t H = q.shape[1], hd = q.shape[2], group = H / kv.keys.shape[1];
  const auto attend = kv.keys.dtype == DType::bf16 ? kernels_.attend_bf16 : kernels_.attend_f32;
  const auto one_row = [&](std::int64_t r) {
    const std::int64_t t = r / H, h = r % H / group, s = sequence.as<std::int32_t>()[t];
    const std::int64_t last = position.as<std::int32_t>()[t];
    std::fill(row(y, r), row(y, r) + hd, 0.0f);
    Attend state{row(q, r),
                 hd,
                 options.scale,
                 A.empty() ? 0.0f : row(A, t)[h],
                 -std::numeric_limits<float>::infinity(),
                 0.0f,
                 row(y, r)};
    std::int64_t j = options.window > 0 ? std::max<std::int64_t>(0, last - options.window + 1) : 0;
    while (j <= last) {
      const std::int64_t end = std::min(last + 1, (j / kPageTokens + 1) * kPageTokens);
      const std::int64_t from = place(kv, s, h, j);
      attend(state, {at(kv.keys, from), at(kv.values, from), hd,
                     A.empty() ? nullptr : kv.decay.as<float>() + from, 1, end - j});
      j = end;
    }
    for (std::int64_t d = 0; d < hd; ++d) row(y, r)[d] /= state.sum;
  };
  std::int64_t seen = 0;  // positions of all rows together
  for (std::int64_t t = 0; t < q.shape[0]; ++t) seen += position.as<std::int32_t>()[t] + 1;
  const std::int64_t rows = q.rows(), parts = pool_.threads();
  for_rows(parts, seen * H * hd / parts, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part)
      for (std::int64_t r = part; r < rows; r += parts) one_row(r);
  });
}

}  // namespace r1
