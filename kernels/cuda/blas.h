#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "lib/backend/backend.h"

struct CUstream_st;

namespace r1::cuda {

// A factor of a product, in the device's memory: f32, f16, bf16 or an 8-bit float.
struct BlasMatrix {
  const void* data;
  DType dtype;
  std::int64_t pitch;            // elements from row to row
  bool along_k = true;           // the summed index runs along its rows; else it counts them
  const float* scale = nullptr;  // on the device, of 8-bit floats
};

// Products by cuBLASLt, summed in f32. What it knows of a product's sizes and types it is asked
// once. Two runs give the same bits; a row's depend on the batch.
class Blas {
 public:
  // nullptr where there is no cuBLASLt.
  static std::unique_ptr<Blas> open();
  virtual ~Blas() = default;

  static constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;

  // y [M, N] f32 = a b^T, then the epilogue; K are summed. `workspace` is of kWorkspaceBytes,
  // aligned to 256. False: the library has no way to do this, and nothing was queued.
  virtual bool multiply(const Tensor& y, const BlasMatrix& a, const BlasMatrix& b, std::int64_t K,
                        const Epilogue& then, void* workspace, CUstream_st* stream) = 0;
};

}  // namespace r1::cuda
