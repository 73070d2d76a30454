#include "kernels/cuda/check.h"

#include "lib/base/error.h"

namespace r1::cuda {

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess)
    fail(ErrorKind::device, "cuda: {}: {}", what, cudaGetErrorString(status));
}

void fail_out_of_memory(std::size_t bytes) {
  fail(ErrorKind::oom_gpu, "no memory for {} bytes on the device", bytes);
}

void fail_unsupported(const char* op, const char* what) {
  fail(ErrorKind::model, "cuda: {}: {}", op, what);
}

}  // namespace r1::cuda
