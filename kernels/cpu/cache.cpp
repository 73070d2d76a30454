// The paged cache. Inside a page of one key head the keys lie element by element, [hd,
// kPageTokens], as attention reads them, the values position by position; in pages of bf16 two of
// them are interleaved, and in pages of q8_0 in blocks besides: cpu::kPageBlock.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

using cpu::kBlock;
using cpu::page_at;
using cpu::page_of;
using cpu::row;

// An element of kv.decay.
std::int64_t place(const PagedKv& kv, std::int64_t s, std::int64_t h, std::int64_t j) {
  return page_of(kv, s, h, j / kPageTokens) * kPageTokens + j % kPageTokens;
}

// Puts the n elements of a block, or of a head in bf16, at a position: two elements of a key side
// by side, or a value beside that of the position it makes a pair with.
template <typename T>
void put_key_pairs(std::byte* keys, const T* from, std::int64_t n, std::int64_t at) {
  constexpr std::size_t kPair = 2 * sizeof(T);
  std::byte* to = keys + static_cast<std::size_t>(at) * kPair;
  for (std::int64_t e = 0; e < n; e += 2, to += kPageTokens * kPair)
    std::memcpy(to, from + e, kPair);
}
template <typename T>
void put_value_pairs(std::byte* values, const T* from, std::int64_t n, std::int64_t at) {
  T* to = reinterpret_cast<T*>(values) + at / 2 * 2 * n + at % 2;
  for (std::int64_t e = 0; e < n; ++e) to[2 * e] = from[e];
}

// Puts keys and values at one position of a page; rows [hd].
class PageWriter {
 public:
  PageWriter(const cpu::Kernels& kernels, const PagedKv& kv, std::int64_t page, std::int64_t at)
      : kernels_(kernels),
        dtype_(kv.keys.dtype),
        hd_(kv.keys.cols()),
        at_(at),
        keys_(page_at(kv.keys, page)),
        values_(page_at(kv.values, page)) {}

  // `room` [hd] is of 4 bytes each.
  void put(const float* key, const float* value, void* room) const {
    if (dtype_ == DType::q8_0) {
      put_blocks(keys_, packed(key, room), put_key_pairs<std::int8_t>);
      put_blocks(values_, packed(value, room), put_value_pairs<std::int8_t>);
    } else if (dtype_ == DType::bf16) {
      put_key_pairs(keys_, rounded(key, room), hd_, at_);
      put_value_pairs(values_, rounded(value, room), hd_, at_);
    } else if (dtype_ == DType::f32) {
      put_key(key);
      std::copy(value, value + hd_, reinterpret_cast<float*>(values_) + at_ * hd_);
    } else {
      put_key(halves(key, room));
      // At once: a copy would wait for the key's stores, each to a line of its own.
      halves(value, values_ + sizeof(std::uint16_t) * static_cast<std::size_t>(at_ * hd_));
    }
  }

 private:
  template <typename T>
  void put_key(const T* key) const {
    T* to = reinterpret_cast<T*>(keys_) + at_;
    for (std::int64_t d = 0; d < hd_; ++d) to[d * kPageTokens] = key[d];
  }
  template <typename Put>
  void put_blocks(std::byte* page, const BlockQ8_0* blocks, const Put& put_pairs) const {
    for (std::int64_t b = 0; b < hd_ / kBlock; ++b, page += cpu::kPageBlock) {
      put_pairs(page, blocks[b].q, kBlock, at_);
      std::memcpy(page + cpu::kPageBytes + 2 * at_, &blocks[b].d, sizeof blocks[b].d);
    }
  }

  const BlockQ8_0* packed(const float* from, void* room) const {
    pack(room, {from, static_cast<std::size_t>(hd_)}, dtype_);
    return static_cast<const BlockQ8_0*>(room);
  }
  const std::uint16_t* halves(const float* from, void* to) const {
    if (kernels_.has_f16)
      kernels_.to_f16(static_cast<std::uint16_t*>(to), from, hd_);
    else
      pack(to, {from, static_cast<std::size_t>(hd_)}, dtype_);
    return static_cast<const std::uint16_t*>(to);
  }
  const std::uint16_t* rounded(const float* from, void* room) const {
    kernels_.to_bf16(static_cast<std::uint16_t*>(room), from, hd_);
    return static_cast<const std::uint16_t*>(room);
  }

  const cpu::Kernels& kernels_;
  DType dtype_;
  std::int64_t hd_, at_;
  std::byte *keys_, *values_;
};

}  // namespace

// Heads are dealt out: all positions of a page go through one thread, in order.
void CpuBackend::kv_store(const PagedKv& kv, const Tensor& k, const Tensor& v, const Tensor& A,
                          const Tensor& sequence, const Tensor& position) {
  const std::int64_t T = k.shape[0], KV = k.shape[1], hd = k.shape[2];
  // What rounding may add to a key's length, and to that of q. Of a block of q8_0, 32 halves of a
  // step that is the largest / 127; of 16 bits, more than there is.
  const float rounded = 1.0f + (kv.keys.dtype == DType::q8_0 ? 0x1p-5f : 0x1p-7f);
  const auto one = [&](std::int64_t t, std::int64_t h, void* room) {
    const std::int64_t s = sequence.as<std::int32_t>()[t], j = position.as<std::int32_t>()[t];
    const std::int64_t page = page_of(kv, s, h, j / kPageTokens);
    const float *key = row(k, t * KV + h), *value = row(v, t * KV + h);
    PageWriter(kernels_, kv, page, j % kPageTokens).put(key, value, room);
    if (!A.empty()) kv.decay.as<float>()[place(kv, s, h, j)] = row(A, t)[h];
    if (kv.longest.empty()) return;
    float& longest = kv.longest.as<float>()[page];
    const float length = rounded * std::sqrt(kernels_.dot(key, key, hd));
    longest = j % kPageTokens == 0 ? length : std::max(longest, length);
  };
  // Rows of a head are too far apart for the processor to see which comes next.
  const auto ask = [&](std::int64_t t, std::int64_t h) {
    if (t >= T) return;
    cpu::ask_for_row(k, t * KV + h);
    cpu::ask_for_row(v, t * KV + h);
  };
  constexpr std::int64_t kSteps = 16;  // for an element: one of a key goes to a line of its own
  constexpr std::int64_t kAhead = 4;   // rows
  for_rows(KV, kSteps * T * hd, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> room(static_cast<std::size_t>(hd));
    for (std::int64_t h = begin; h < end; ++h)
      for (std::int64_t t = 0; t < T; ++t) {
        ask(t + kAhead, h);
        one(t, h, room.data());
      }
  });
}

void CpuBackend::kv_load_decay(const Tensor& base, const PagedKv& kv, const Tensor& sequence,
                               const Tensor& position) {
  for (std::int64_t t = 0; t < base.rows(); ++t)
    for (std::int64_t h = 0; h < base.cols(); ++h) {
      const std::int64_t s = sequence.as<std::int32_t>()[t], j = position.as<std::int32_t>()[t];
      row(base, t)[h] = j == 0 ? 0.0f : kv.decay.as<float>()[place(kv, s, h, j - 1)];
    }
}

}  // namespace r1
