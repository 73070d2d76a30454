#pragma once

#include <memory>

#include "lib/backend/open_backend.h"

namespace r1::test {

// kernels/cuda on this machine's processor: the backend "cuda-host" of the tests. Fails with
// `device` where the shim has not been brought to the processor.
std::unique_ptr<Backend> open_cuda_host(const BackendOptions& options = {});

}  // namespace r1::test
