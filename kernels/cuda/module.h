#pragma once

namespace r1 {

class Backend;
struct BackendOptions;

namespace cuda {

// libr1_cuda.so exports this one function, and `kernels/open_cuda` calls it: the backend, which the
// caller owns, or null when `contract` is not the module's own R1_CONTRACT (a digest of
// the headers of lib/backend and what they stand on). Fails as the constructor of CudaBackend does.
using OpenModule = Backend* (*)(const char* contract, const BackendOptions& options);
inline constexpr const char* kModuleFile = "libr1_cuda.so";
inline constexpr const char* kModuleEntry = "r1_open_cuda";

}  // namespace cuda
}  // namespace r1
