#include <cassert>
#include <cstddef>
#include <vector>

#include "kernels/ref/attend.h"
#include "kernels/ref/ref_backend.h"
#include "kernels/ref/rows.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

using ref::row;

// The place of position j of sequence s and key head h: a row of kv.keys seen as
// [P KV kPageTokens, hd], an element of kv.decay.
std::int64_t place(const PagedKv& kv, std::int64_t s, std::int64_t h, std::int64_t j) {
  const std::int64_t KV = kv.keys.shape[1];
  assert(j / kPageTokens < kv.table.shape[1]);
  const std::int64_t page = kv.table.as<std::int32_t>()[s * kv.table.shape[1] + j / kPageTokens];
  return (page * KV + h) * kPageTokens + j % kPageTokens;
}

// Row `place` of pages.
std::byte* stored(const Tensor& pages, std::int64_t place) {
  const auto blocks = static_cast<std::size_t>(place * pages.cols() / block_elements(pages.dtype));
  return pages.as<std::byte>() + blocks * block_bytes(pages.dtype);
}

void store(const Tensor& pages, std::int64_t place, const float* values) {
  pack(stored(pages, place), {values, static_cast<std::size_t>(pages.cols())}, pages.dtype);
}

// Row `place` of pages, widened into `room`.
const float* load(const Tensor& pages, std::int64_t place, std::vector<float>& room) {
  unpack(room, stored(pages, place), pages.dtype);
  return room.data();
}

}  // namespace

void RefBackend::kv_store(const PagedKv& kv, const Tensor& k, const Tensor& v, const Tensor& A,
                          const Tensor& sequence, const Tensor& position) {
  const std::int64_t KV = k.shape[1];
  for (std::int64_t r = 0; r < k.rows(); ++r) {
    const std::int64_t t = r / KV, h = r % KV;
    const std::int64_t to =
        place(kv, sequence.as<std::int32_t>()[t], h, position.as<std::int32_t>()[t]);
    store(kv.keys, to, row(k, r));
    store(kv.values, to, row(v, r));
    if (!A.empty()) kv.decay.as<float>()[to] = row(A, t)[h];
  }
}

void RefBackend::kv_load_decay(const Tensor& base, const PagedKv& kv, const Tensor& sequence,
                               const Tensor& position) {
  for (std::int64_t t = 0; t < base.rows(); ++t)
    for (std::int64_t h = 0; h < base.cols(); ++h) {
      const std::int64_t s = sequence.as<std::int32_t>()[t], j = position.as<std::int32_t>()[t];
      row(base, t)[h] = j == 0 ? 0.0f : kv.decay.as<float>()[place(kv, s, h, j - 1)];
    }
}

void RefBackend::attention_paged(const Tensor& y, const Tensor& q, const PagedKv& kv,
                                 const Tensor& A, const Tensor& sequence, const Tensor& position,
                                 const AttentionOptions& options) {
  const std::int64_t H = q.shape[1], hd = q.shape[2], group = H / kv.keys.shape[1];
  std::vector<float> room(static_cast<std::size_t>(hd));
  for (std::int64_t r = 0; r < q.rows(); ++r) {
    const std::int64_t t = r / H, h = (r % H) / group, s = sequence.as<std::int32_t>()[t];
    const std::int64_t last = position.as<std::int32_t>()[t];
    const auto key = [&](std::int64_t j) { return load(kv.keys, place(kv, s, h, j), room); };
    const auto value = [&](std::int64_t j) { return load(kv.values, place(kv, s, h, j), room); };
    const auto decay = [&](std::int64_t j) {
      return A.empty() ? 0.0 : double{kv.decay.as<float>()[place(kv, s, h, j)]};
    };
    const ref::Past past{ref::first_seen(0, last, options.window), last, key, value, decay};
    const double own = A.empty() ? 0.0 : double{row(A, t)[h]};
    ref::attend(row(y, r), past, row(q, r), hd, options.scale, own);
  }
}

}  // namespace r1
