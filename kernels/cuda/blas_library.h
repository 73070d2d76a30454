#pragma once

#include <optional>

#include <cublasLt.h>

namespace r1::cuda {

// The functions of cuBLASLt that `Blas` calls. They are looked up and not linked: the library takes
// 90 ms to load, and a machine without it runs with our own kernels.
struct BlasLibrary {
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtDestroy) destroy;
  decltype(&cublasLtMatmulDescCreate) create_product;
  decltype(&cublasLtMatmulDescSetAttribute) set_product;
  decltype(&cublasLtMatmulDescDestroy) destroy_product;
  decltype(&cublasLtMatrixLayoutCreate) create_layout;
  decltype(&cublasLtMatrixLayoutDestroy) destroy_layout;
  decltype(&cublasLtMatmulPreferenceCreate) create_preference;
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference;
  decltype(&cublasLtMatmulPreferenceDestroy) destroy_preference;
  decltype(&cublasLtMatmulAlgoGetHeuristic) choose;
  decltype(&cublasLtMatmul) multiply;
};

// Nothing where the library or one of them is missing.
std::optional<BlasLibrary> open_blas_library();

}  // namespace r1::cuda
