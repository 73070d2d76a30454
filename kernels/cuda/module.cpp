#include "kernels/cuda/module.h"

#include <memory>
#include <string_view>
#include <type_traits>

#include "kernels/cuda/cuda_backend.h"

extern "C" __attribute__((visibility("default"))) r1::Backend* r1_open_cuda(
    const char* contract, const r1::BackendOptions& options) {
  static_assert(std::is_same_v<decltype(&r1_open_cuda), r1::cuda::OpenModule>);
  if (std::string_view(contract) != R1_CONTRACT) return nullptr;
  return std::make_unique<r1::CudaBackend>(options).release();
}
