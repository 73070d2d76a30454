#include "tests/support/cuda_host/open.h"

#include "kernels/cuda/cuda_backend.h"

namespace r1::test {

std::unique_ptr<Backend> open_cuda_host(const BackendOptions& options) {
  return std::make_unique<CudaBackend>(options);
}

}  // namespace r1::test
