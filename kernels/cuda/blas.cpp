// Ours is row-major, cuBLASLt's column-major: it sees every buffer as its transpose, and makes
// y^T [N, M] = b a^T.
#include "kernels/cuda/blas.h"

#include <array>
#include <map>
#include <optional>
#include <tuple>

#include "kernels/cuda/blas_library.h"
#include "lib/base/error.h"

namespace r1::cuda {
namespace {

void check_blas(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    fail(ErrorKind::device, "cuda: cuBLASLt: {}: status {}", what, static_cast<int>(status));
}

cudaDataType_t data_type(DType dtype) {
  switch (dtype) {
    case DType::f16:
      return CUDA_R_16F;
    case DType::bf16:
      return CUDA_R_16BF;
    case DType::f8_e4m3:
      return CUDA_R_8F_E4M3;
    case DType::f8_e5m2:
      return CUDA_R_8F_E5M2;
    default:
      return CUDA_R_32F;
  }
}

cublasLtEpilogue_t epilogue_of(const Epilogue& then) {
  const bool gelu = then.activation == Activation::gelu;
  if (then.bias.empty()) return gelu ? CUBLASLT_EPILOGUE_GELU : CUBLASLT_EPILOGUE_DEFAULT;
  return gelu ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
}

// What cuBLASLt calls a product, and the way it chose; none: it has no way.
struct Plan {
  explicit Plan(const BlasLibrary& functions) : library(functions) {}
  ~Plan() {
    if (product != nullptr) library.destroy_product(product);
    for (const cublasLtMatrixLayout_t layout : {a, b, y})
      if (layout != nullptr) library.destroy_layout(layout);
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  template <typename Value>
  void set(cublasLtMatmulDescAttributes_t attribute, const Value& value) const {
    check_blas(library.set_product(product, attribute, &value, sizeof value), "describe a product");
  }

  const BlasLibrary& library;
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, y = nullptr;
  std::optional<cublasLtMatmulAlgo_t> way;
};

class CublasLt : public Blas {
 public:
  CublasLt(const BlasLibrary& library, cublasLtHandle_t handle)
      : library_(library), handle_(handle) {}
  ~CublasLt() override {
    plans_.clear();
    library_.destroy(handle_);
  }
  CublasLt(const CublasLt&) = delete;
  CublasLt& operator=(const CublasLt&) = delete;

  bool multiply(const Tensor& y, const BlasMatrix& a, const BlasMatrix& b, std::int64_t K,
                const Epilogue& then, void* workspace, cudaStream_t stream) override {
    const Plan& plan = plan_for(y, a, b, K, then);
    if (!plan.way) return false;
    if (!then.bias.empty())
      plan.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(then.bias.data));
    if (a.scale != nullptr) plan.set(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, a.scale);
    if (b.scale != nullptr) plan.set(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, b.scale);
    const bool adds = !then.residual.empty();
    const float one = 1.0f, beta = adds ? 1.0f : 0.0f;
    const void* c = adds ? then.residual.data : y.data;
    const cublasStatus_t status =
        library_.multiply(handle_, plan.product, &one, b.data, plan.b, a.data, plan.a, &beta, c,
                          plan.y, y.data, plan.y, &*plan.way, workspace, kWorkspaceBytes, stream);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) return false;
    check_blas(status, "a product");
    return true;
  }

 private:
  using Key =
      std::tuple<std::array<std::int64_t, 5>, DType, DType, bool, bool, Activation, bool, bool>;

  // Prompts have as many lengths as they like: the plans of those gone by are given up.
  static constexpr std::size_t kMostPlans = 4096;

  const Plan& plan_for(const Tensor& y, const BlasMatrix& a, const BlasMatrix& b, std::int64_t K,
                       const Epilogue& then) {
    const Key key{{y.rows(), y.cols(), K, a.pitch, b.pitch},
                  a.dtype,
                  b.dtype,
                  a.along_k,
                  b.along_k,
                  then.activation,
                  then.bias.empty(),
                  then.residual.empty()};
    if (const auto known = plans_.find(key); known != plans_.end()) return known->second;
    if (plans_.size() == kMostPlans) plans_.clear();
    Plan& plan = plans_.try_emplace(key, library_).first->second;
    describe(plan, y, a, b, K, then);
    choose(plan);
    return plan;
  }

  void describe(Plan& plan, const Tensor& y, const BlasMatrix& a, const BlasMatrix& b,
                std::int64_t K, const Epilogue& then) const {
    const std::int64_t M = y.rows(), N = y.cols();
    check_blas(library_.create_product(&plan.product, CUBLAS_COMPUTE_32F, CUDA_R_32F),
               "describe a product");
    plan.set(CUBLASLT_MATMUL_DESC_TRANSA, b.along_k ? CUBLAS_OP_T : CUBLAS_OP_N);
    plan.set(CUBLASLT_MATMUL_DESC_TRANSB, a.along_k ? CUBLAS_OP_N : CUBLAS_OP_T);
    plan.set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(then));
    // Sums of fewer bits, twice as fast; e4m3 alone are products forward, which bear it.
    if (a.dtype == DType::f8_e4m3 && b.dtype == DType::f8_e4m3)
      plan.set(CUBLASLT_MATMUL_DESC_FAST_ACCUM, std::int8_t{1});
    const auto layout = [&](cublasLtMatrixLayout_t& made, DType dtype, std::int64_t rows,
                            std::int64_t columns, std::int64_t pitch) {
      check_blas(library_.create_layout(&made, data_type(dtype), static_cast<std::uint64_t>(rows),
                                        static_cast<std::uint64_t>(columns), pitch),
                 "describe a matrix");
    };
    layout(plan.b, b.dtype, b.along_k ? K : N, b.along_k ? N : K, b.pitch);
    layout(plan.a, a.dtype, a.along_k ? K : M, a.along_k ? M : K, a.pitch);
    layout(plan.y, DType::f32, N, M, N);
  }

  void choose(Plan& plan) const {
    cublasLtMatmulPreference_t wishes = nullptr;
    check_blas(library_.create_preference(&wishes), "ask for a way");
    const auto wish = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      check_blas(library_.set_preference(wishes, attribute, &value, sizeof value), "ask for a way");
    };
    constexpr std::uint32_t kAlignment = 16;
    wish(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{kWorkspaceBytes});
    wish(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, kAlignment);
    wish(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, kAlignment);
    wish(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, kAlignment);
    wish(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, kAlignment);
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    const cublasStatus_t status = library_.choose(handle_, plan.product, plan.b, plan.a, plan.y,
                                                  plan.y, wishes, 1, &found, &count);
    library_.destroy_preference(wishes);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && count == 0))
      return;
    check_blas(status, "choose a way");
    if (found.state == CUBLAS_STATUS_SUCCESS) plan.way = found.algo;
  }

  const BlasLibrary library_;
  cublasLtHandle_t handle_;
  std::map<Key, Plan> plans_;
};

}  // namespace

std::unique_ptr<Blas> Blas::open() {
  const auto library = open_blas_library();
  cublasLtHandle_t handle = nullptr;
  if (!library || library->create(&handle) != CUBLAS_STATUS_SUCCESS) return nullptr;
  return std::make_unique<CublasLt>(*library, handle);
}

}  // namespace r1::cuda
