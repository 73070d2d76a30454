#include "tests/support/other_encoding/open.h"

#include "kernels/cpu/cpu_backend.h"
#include "lib/base/error.h"

namespace r1::avx2_evex {
extern const cpu::Kernels kKernels;
}

namespace r1::test {

std::unique_ptr<Backend> open_other_encoding([[maybe_unused]] int threads) {
#if R1_HAS_avx2_evex
  if (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni"))
    return std::make_unique<CpuBackend>(threads, avx2_evex::kKernels);
#endif
  fail(ErrorKind::device, "this machine has no avx2_vnni in either encoding");
}

}  // namespace r1::test
