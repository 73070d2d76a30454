#include "tests/support/cuda_host/open.h"

#include "kernels/cuda/cuda_backend.h"

namespace r1::test {

std::unique_ptr<Backend> open_cuda_host() { return std::make_unique<CudaBackend>(); }

}  // namespace r1::test
