#include "kernels/cuda/blas_library.h"

#include <dlfcn.h>

namespace r1::cuda {

// Never closed: kernels that the library has queued may run until the process ends.
std::optional<BlasLibrary> open_blas_library() {
  void* library = dlopen("libcublasLt.so.13", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return std::nullopt;
  bool complete = true;
  const auto find = [&]<typename Function>(Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    complete = complete && function != nullptr;
  };
  BlasLibrary f{};
  find(f.create, "cublasLtCreate");
  find(f.destroy, "cublasLtDestroy");
  find(f.create_product, "cublasLtMatmulDescCreate");
  find(f.set_product, "cublasLtMatmulDescSetAttribute");
  find(f.destroy_product, "cublasLtMatmulDescDestroy");
  find(f.create_layout, "cublasLtMatrixLayoutCreate");
  find(f.destroy_layout, "cublasLtMatrixLayoutDestroy");
  find(f.create_preference, "cublasLtMatmulPreferenceCreate");
  find(f.set_preference, "cublasLtMatmulPreferenceSetAttribute");
  find(f.destroy_preference, "cublasLtMatmulPreferenceDestroy");
  find(f.choose, "cublasLtMatmulAlgoGetHeuristic");
  find(f.multiply, "cublasLtMatmul");
  return complete ? std::optional(f) : std::nullopt;
}

}  // namespace r1::cuda
