// cuBLASLt on the CPU, in place of kernels/cuda/blas_library.cpp, which opens NVIDIA's.
#include "kernels/cuda/blas_library.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "lib/backend/activation.h"
#include "lib/tensor/quant_block.h"

namespace {

using r1::DType;

DType dtype_of(cudaDataType_t type) {
  switch (type) {
    case CUDA_R_16F:
      return DType::f16;
    case CUDA_R_16BF:
      return DType::bf16;
    case CUDA_R_8F_E4M3:
      return DType::f8_e4m3;
    case CUDA_R_8F_E5M2:
      return DType::f8_e5m2;
    case CUDA_R_32F:
      break;
  }
  return DType::f32;
}

bool is_fp8(const BlasLayout& m) { return m.type == CUDA_R_8F_E4M3 || m.type == CUDA_R_8F_E5M2; }

bool whole_pieces(const BlasLayout& m) {  // of 16 bytes
  const std::size_t bytes = r1::block_bytes(dtype_of(m.type));
  return static_cast<std::size_t>(m.pitch) * bytes % 16 == 0;
}

// A column-major matrix as numbers, column after column without gaps.
std::vector<float> numbers(const void* data, const BlasLayout& m) {
  const DType dtype = dtype_of(m.type);
  std::vector<float> all(m.rows * m.columns);
  for (std::uint64_t c = 0; c < m.columns; ++c)
    r1::unpack({all.data() + c * m.rows, m.rows},
               static_cast<const std::byte*>(data) +
                   c * static_cast<std::uint64_t>(m.pitch) * r1::block_bytes(dtype),
               dtype);
  return all;
}

// A bias is of the result's type, but of products of 8 bits of bf16, whoever gave another.
float bias_of(const BlasProductDescription& product, bool eight, std::uint64_t row) {
  if (!eight) return static_cast<const float*>(product.bias)[row];
  float bias = 0;
  r1::unpack({&bias, 1}, static_cast<const std::byte*>(product.bias) + 2 * row, DType::bf16);
  return bias;
}

float finished(float value, const BlasProductDescription& product, bool eight, std::uint64_t row) {
  if ((product.epilogue & CUBLASLT_EPILOGUE_BIAS) != 0) value += bias_of(product, eight, row);
  if ((product.epilogue & CUBLASLT_EPILOGUE_GELU) == 0) return value;
  const float z = r1::kGeluSlope * (value + r1::kGeluCube * value * value * value);
  return value / (1.0f + std::exp(-z));
}

// Lays an operand out so that its summed index runs fastest: [outer, k].
std::vector<float> by_sums(const std::vector<float>& m, const BlasLayout& layout, bool k_is_row) {
  if (k_is_row) return m;
  std::vector<float> turned(m.size());
  for (std::uint64_t c = 0; c < layout.columns; ++c)
    for (std::uint64_t r = 0; r < layout.rows; ++r)
      turned[r * layout.columns + c] = m[c * layout.rows + r];
  return turned;
}

}  // namespace

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = new BlasHandle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* product, cublasComputeType_t,
                                        cudaDataType_t) {
  *product = new BlasProductDescription;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t product,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, std::size_t bytes) {
  const auto put = [&](auto& field) {
    if (bytes != sizeof field) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(&field, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
  };
  std::int8_t ignored = 0;  // how sums are rounded
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return put(product->a);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return put(product->b);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return put(product->epilogue);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return put(product->bias);
    case CUBLASLT_MATMUL_DESC_A_SCALE_POINTER:
      return put(product->a_scale);
    case CUBLASLT_MATMUL_DESC_B_SCALE_POINTER:
      return put(product->b_scale);
    case CUBLASLT_MATMUL_DESC_FAST_ACCUM:
      return put(ignored);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t product) {
  delete product;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type,
                                          std::uint64_t rows, std::uint64_t columns,
                                          std::int64_t pitch) {
  *layout = new BlasLayout{type, rows, columns, pitch};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* wishes) {
  *wishes = new BlasWishes;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t wishes,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, std::size_t bytes) {
  void* field = &wishes->workspace;
  std::size_t size = sizeof wishes->workspace;
  if (attribute != CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) {
    std::uint32_t& alignment =
        wishes->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES];
    field = &alignment;
    size = sizeof alignment;
  }
  if (bytes != size) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(field, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t wishes) {
  delete wishes;
  return CUBLAS_STATUS_SUCCESS;
}

// Refuses what NVIDIA's refuses on a Hopper card: 8-bit floats other than transposed times plain or
// in e5m2 twice, types of 16 bits that are two, rows not of 16 bytes.
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t product,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t wishes, int wanted,
                                              cublasLtMatmulHeuristicResult_t* results,
                                              int* found) {
  *found = 0;
  const bool a_along = product->a == CUBLAS_OP_T, b_along = product->b == CUBLAS_OP_N;
  const std::uint64_t m = a_along ? a->columns : a->rows, k = a_along ? a->rows : a->columns;
  const std::uint64_t n = b_along ? b->columns : b->rows;
  const bool fits = k == (b_along ? b->rows : b->columns) && d->rows == m && d->columns == n &&
                    c->rows == m && c->columns == n && d->type == CUDA_R_32F && m > 0 && n > 0 &&
                    k > 0 && a->pitch >= static_cast<std::int64_t>(a->rows) &&
                    b->pitch >= static_cast<std::int64_t>(b->rows);
  if (!fits || wanted < 1) return CUBLAS_STATUS_INVALID_VALUE;
  for (const std::uint32_t alignment : wishes->alignment)
    if (alignment != 16) return CUBLAS_STATUS_NOT_SUPPORTED;
  for (const BlasLayout* layout : {a, b, c, d})
    if (!whole_pieces(*layout)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (is_fp8(*a) != is_fp8(*b)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (is_fp8(*a) && !(a_along && b_along)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (a->type == CUDA_R_8F_E5M2 && b->type == CUDA_R_8F_E5M2) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (!is_fp8(*a) && a->type != b->type) return CUBLAS_STATUS_NOT_SUPPORTED;
  results[0] = {{}, 0, CUBLAS_STATUS_SUCCESS};
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t product, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t*,
                              void* workspace, std::size_t workspace_bytes, cudaStream_t stream) {
  const float one = *static_cast<const float*>(alpha), old = *static_cast<const float*>(beta);
  if (reinterpret_cast<std::uintptr_t>(workspace) % 256 != 0) return CUBLAS_STATUS_INVALID_VALUE;
  for (const void* matrix : {a, b, c, static_cast<const void*>(d)})
    if (reinterpret_cast<std::uintptr_t>(matrix) % 16 != 0) return CUBLAS_STATUS_INVALID_VALUE;
  r1::cuda_host::count_library_product();
  r1::cuda_host::queue(stream, [=, product = *product, a_layout = *a_layout, b_layout = *b_layout,
                                c_pitch = c_layout->pitch, d_layout = *d_layout] {
    std::memset(workspace, 0xff, workspace_bytes);  // whoever kept something there sees it
    const bool a_along = product.a == CUBLAS_OP_T, b_along = product.b == CUBLAS_OP_N;
    const std::vector<float> as = by_sums(numbers(a, a_layout), a_layout, a_along);
    const std::vector<float> bs = by_sums(numbers(b, b_layout), b_layout, b_along);
    const std::uint64_t K = a_along ? a_layout.rows : a_layout.columns;
    const float scale = one * (product.a_scale != nullptr ? *product.a_scale : 1.0f) *
                        (product.b_scale != nullptr ? *product.b_scale : 1.0f);
    for (std::uint64_t j = 0; j < d_layout.columns; ++j)
      for (std::uint64_t i = 0; i < d_layout.rows; ++i) {
        float sum = 0.0f;
        for (std::uint64_t k = 0; k < K; ++k) sum += as[i * K + k] * bs[j * K + k];
        sum *= scale;
        if (old != 0.0f)
          sum += old * static_cast<const float*>(c)[j * static_cast<std::uint64_t>(c_pitch) + i];
        static_cast<float*>(d)[j * static_cast<std::uint64_t>(d_layout.pitch) + i] =
            finished(sum, product, is_fp8(a_layout), i);
      }
  });
  return CUBLAS_STATUS_SUCCESS;
}

namespace r1::cuda {

std::optional<BlasLibrary> open_blas_library() {
  return BlasLibrary{cublasLtCreate,
                     cublasLtDestroy,
                     cublasLtMatmulDescCreate,
                     cublasLtMatmulDescSetAttribute,
                     cublasLtMatmulDescDestroy,
                     cublasLtMatrixLayoutCreate,
                     cublasLtMatrixLayoutDestroy,
                     cublasLtMatmulPreferenceCreate,
                     cublasLtMatmulPreferenceSetAttribute,
                     cublasLtMatmulPreferenceDestroy,
                     cublasLtMatmulAlgoGetHeuristic,
                     cublasLtMatmul};
}

}  // namespace r1::cuda
