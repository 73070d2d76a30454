#pragma once

#include <cstddef>

#include <cuda_runtime.h>

namespace r1::cuda {

// Fails with `device`: "cuda: rms_norm: an illegal memory access was encountered". The body is in
// check.cpp, because nvcc does not get through fmt's checked format strings.
void check(cudaError_t status, const char* what);

[[noreturn]] void fail_out_of_memory(std::size_t bytes);
[[noreturn]] void fail_unsupported(const char* op, const char* what);

}  // namespace r1::cuda
