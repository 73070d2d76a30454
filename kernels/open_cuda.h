#pragma once

#include <memory>

#include "lib/backend/open_backend.h"

namespace r1 {

// The CUDA backend, out of libr1_cuda.so beside the executable or in ../lib. Fails with `device`,
// and one line each: no module, no driver, no card. Nothing of CUDA is opened before this is
// called.
std::unique_ptr<Backend> open_cuda(const BackendOptions& options);

}  // namespace r1
