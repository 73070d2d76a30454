// Weights on their way to the device: as they are in the file, but for f32 that products may round
// to bf16, and quantized types whose fields have to be aligned (quant_layout.h). `packed` says of
// f16 and bf16 that products may round the other operand likewise, of a quantized type that it lies
// in planes.
#include <cstdint>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/quant_layout.h"

namespace r1 {
namespace {

// Fields of blocks as planes, two bytes a thread: all sizes and offsets are even.
struct Split {
  cuda::BlockFields fields;
  std::int64_t blocks, block_bytes;

  // Where byte `offset` of block b goes.
  __device__ std::int64_t place(std::int64_t b, std::int64_t offset) const {
    std::int64_t plane = 0;
    for (const cuda::Field& field : {fields.q, fields.h, fields.s, fields.d}) {
      const auto begin = static_cast<std::int64_t>(field.offset);
      const auto bytes = static_cast<std::int64_t>(field.bytes);
      if (begin <= offset && offset < begin + bytes) return plane + b * bytes + offset - begin;
      plane += blocks * bytes;
    }
    return 0;
  }
};

void split(const Tensor& to, const void* from, cudaStream_t stream) {
  const auto bytes = static_cast<std::int64_t>(block_bytes(to.dtype));
  const Split s{cuda::block_fields(to.dtype), to.shape.elements() / block_elements(to.dtype),
                bytes};
  auto* out = to.as<std::uint16_t>();
  const auto* in = static_cast<const std::uint16_t*>(from);
  cuda::each("load_weight", stream, s.blocks * bytes / 2, [=] __device__(std::int64_t i) {
    out[s.place(2 * i / bytes, 2 * i % bytes) / 2] = in[i];
  });
}

void round_to_bf16(const Tensor& to, const void* from, cudaStream_t stream) {
  auto* out = to.as<std::uint16_t>();
  const auto* in = static_cast<const float*>(from);
  cuda::each("load_weight", stream, to.shape.elements(),
             [=] __device__(std::int64_t i) { out[i] = cuda::float_to_bfloat(in[i]); });
}

}  // namespace

Backend::Weight CudaBackend::load_weight(const Tensor& host, DType compute) {
  const bool may_round = compute == DType::bf16 && !is_quantized(host.dtype);
  const bool narrowed = may_round && host.dtype == DType::f32;
  Tensor t{nullptr, host.shape, narrowed ? DType::bf16 : host.dtype, Device::cuda};
  t.packed = may_round || cuda::is_split(t.dtype);
  Buffer memory(*this, t.bytes());
  t.data = memory.data();
  if (!narrowed && !cuda::is_split(t.dtype)) {
    copy_from_host(t, host.data);
    return {t, std::move(memory)};
  }
  const Buffer file(*this, host.bytes());
  copy_from_host({file.data(), host.shape, host.dtype, Device::cuda}, host.data);
  if (narrowed)
    round_to_bf16(t, file.data(), stream_);
  else
    split(t, file.data(), stream_);
  return {t, std::move(memory)};  // giving `file` back waits: early kernels may read t at once
}

}  // namespace r1
