// Numbers of 16 and of 8 bits. Products of bf16 are made of pairs, at twice the speed of f32 where
// the processor multiplies bf16 or halves; what else there is, is widened on the way, for agreement
// with the other backends and for the memory it saves.
#include <bit>
#include <cmath>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"
#include "lib/backend/finish.h"
#include "lib/tensor/float8.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

float scale_of(const Factor& f) { return f.scale.empty() ? 1.0f : f.scale.as<float>()[0]; }

}  // namespace

void CpuBackend::store(const Tensor& y, std::int64_t first, const float* x, std::int64_t n) const {
  if (y.dtype == DType::bf16) return kernels_.to_bf16(y.as<std::uint16_t>() + first, x, n);
  pack(y.as<std::byte>() + static_cast<std::size_t>(first) * block_bytes(y.dtype),
       {x, static_cast<std::size_t>(n)}, y.dtype);
}

void CpuBackend::load(float* x, const Tensor& t, std::int64_t first, std::int64_t n) {
  const std::byte* from =
      t.as<std::byte>() + static_cast<std::size_t>(first) * block_bytes(t.dtype);
  if (t.dtype != DType::bf16) return unpack({x, static_cast<std::size_t>(n)}, from, t.dtype);
  const auto* bits = reinterpret_cast<const std::uint16_t*>(from);
  for (std::int64_t i = 0; i < n; ++i) x[i] = std::bit_cast<float>(std::uint32_t{bits[i]} << 16);
}

void CpuBackend::round(const Tensor& y, const Tensor& x) {
  for_rows(x.shape.elements(), 1, [&](std::int64_t begin, std::int64_t end) {
    store(y, begin, x.as<float>() + begin, end - begin);
  });
}

void CpuBackend::round_to_fp8(const Tensor& y, const Tensor& turned, const Tensor& scale,
                              const Tensor& x) {
  const std::int64_t R = x.rows(), C = x.cols();
  with_float8(y.dtype, [&](auto format) {
    using Format = decltype(format);
    const float* from = x.as<float>();
    float most = 0.0f;
    for (std::int64_t i = 0; i < R * C; ++i) most = std::fmax(most, std::fabs(from[i]));
    const float s = float8_scale<Format>(most);
    scale.as<float>()[0] = s;
    for_rows(R, 4 * C, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r)
        for (std::int64_t c = 0; c < C; ++c) {
          const std::uint8_t bits = f32_to_float8<Format>(from[r * C + c] / s);
          y.as<std::uint8_t>()[r * C + c] = bits;
          if (!turned.empty()) turned.as<std::uint8_t>()[c * R + r] = bits;
        }
    });
  });
}

Tensor CpuBackend::widened(std::vector<float>& room, const Factor& f) {
  const Tensor& t = f.values;
  room.resize(static_cast<std::size_t>(t.shape.elements()));
  for_rows(t.rows(), t.cols(), [&](std::int64_t begin, std::int64_t end) {
    load(room.data() + begin * t.cols(), t, begin * t.cols(), (end - begin) * t.cols());
  });
  return {room.data(), t.shape, DType::f32};
}

// y, or y += if that is what `then` adds, is a sum from columns of a and rows of b^T; else it is as
// `linear` makes it.
void CpuBackend::multiply(const Tensor& y, const Factor& a, const Factor& b, const Epilogue& then) {
  const std::int64_t K = a.along_k ? a.values.cols() : a.values.rows();
  const bool adds = then.residual.data == y.data;
  const bool along = a.along_k && b.along_k && !adds;
  const bool both_bf16 = a.values.dtype == DType::bf16 && b.values.dtype == DType::bf16;
  const bool in_halves = kernels_.has_f16 && both_bf16;
  const auto sum = [&]<typename T>(const Tensor& left, const T* right) {
    const cpu::Strided<T> rows{left.as<T>(), a.along_k ? K : 1, a.along_k ? 1 : left.cols()};
    if (!adds) zero(y);
    in_halves ? add_product_of_halves(y, rows, right, K) : add_product(y, rows, right, K);
    finish(*this, y, {then.bias, adds ? Tensor{} : then.residual, then.activation});
  };
  // The terms of an a with one column, or along K, stand where they are: in pairs, then.
  const bool whole = K % 2 == 0 || (!a.along_k && a.values.cols() > 1);
  const bool as_is = in_halves || (kernels_.has_bf16 && whole && both_bf16);
  if (as_is && along) return linear(y, a.values, b.values, then);
  if (as_is && !b.along_k) return sum(a.values, b.values.as<std::uint16_t>());

  const bool square = along && a.values.data == b.values.data && a.values.shape == b.values.shape &&
                      a.scale.empty() && b.scale.empty();
  const Tensor as = widened(a_, a), bs = square ? as : widened(b_, b);
  const float scale = scale_of(a) * scale_of(b);
  if (scale != 1.0f)
    for (float& value : a_) value *= scale;
  if (along) return linear(y, as, bs, then);
  if (b.along_k) {
    turned_.resize(b_.size());
    for (std::int64_t n = 0; n < bs.rows(); ++n)
      for (std::int64_t k = 0; k < K; ++k)
        turned_[static_cast<std::size_t>(k * bs.rows() + n)] = cpu::row(bs, n)[k];
  }
  sum(as, b.along_k ? turned_.data() : bs.as<float>());
}

}  // namespace r1
