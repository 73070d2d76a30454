// In the place of open.cpp where there is no fiber switch for the processor.
#include "lib/base/error.h"
#include "tests/support/cuda_host/open.h"

namespace r1::test {

std::unique_ptr<Backend> open_cuda_host(const BackendOptions& /*options*/) {
  fail(ErrorKind::device, "kernels of CUDA do not run on this processor");
}

}  // namespace r1::test
