#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "lib/backend/backend.h"

namespace r1::cpu {

// Row r of an f32 tensor seen as a matrix [rows, cols].
inline float* row(const Tensor& t, std::int64_t r) { return t.as<float>() + r * t.cols(); }

// Asks for a row that will be wanted soon, to be read or `for_writing`.
template <bool for_writing = false>
void ask_for_row(const Tensor& t, std::int64_t r) {
  constexpr std::int64_t kStep = 16;  // in a line
  const float* from = row(t, r);
  for (std::int64_t i = 0; i < t.cols(); i += kStep) __builtin_prefetch(from + i, for_writing);
}

// The first position that row i of a document sees.
inline std::int64_t first_seen(std::int64_t start, std::int64_t i, std::int64_t window) {
  return window > 0 ? std::max(start, i - window + 1) : start;
}

// Page p of sequence s and key head h: a row of kv.keys seen as [P KV, hd kPageTokens].
inline std::int64_t page_of(const PagedKv& kv, std::int64_t s, std::int64_t h, std::int64_t p) {
  return kv.table.as<std::int32_t>()[s * kv.table.shape[1] + p] * kv.keys.shape[1] + h;
}

// Where that page begins, of keys or values.
inline std::byte* page_at(const Tensor& pages, std::int64_t number) {
  const std::int64_t blocks = kPageTokens * pages.cols() / block_elements(pages.dtype);
  return pages.as<std::byte>() +
         static_cast<std::size_t>(number * blocks) * block_bytes(pages.dtype);
}

// Room for n: a thread keeps it, because memory that comes anew each time is zeroed each time.
template <typename T>
T* at_least(std::vector<T>& room, std::int64_t n) {
  if (room.size() < static_cast<std::size_t>(n)) room.resize(static_cast<std::size_t>(n));
  return room.data();
}

}  // namespace r1::cpu
