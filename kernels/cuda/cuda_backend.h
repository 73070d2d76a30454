#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "lib/backend/open_backend.h"

struct CUstream_st;  // cudaStream_t: files that only open a backend need no cuda_runtime.h

namespace r1 {

namespace cuda {
class Blas;
class Staging;
}  // namespace cuda

// Kernels for an NVIDIA card, on one stream of the first device. The members of an op family are
// defined in the file of that name. Two runs give the same bits: no sum uses atomics.
class CudaBackend : public Backend {
 public:
  // Fails with `device` when no card answers.
  explicit CudaBackend(const BackendOptions& options);
  ~CudaBackend() override;
  CudaBackend(const CudaBackend&) = delete;
  CudaBackend& operator=(const CudaBackend&) = delete;

  Device device() const override { return Device::cuda; }
  std::string describe() const override;
  DeviceInfo info() const override;
  void* allocate(std::size_t bytes) override;
  void release(void* memory) override;
  void copy_from_host(const Tensor& dst, const void* src) override;
  void copy_to_host(void* dst, const Tensor& src) override;
  void copy(const Tensor& dst, const Tensor& src) override;
  void zero(const Tensor& t) override;
  void synchronize() override;
  DeviceMemory memory() const override;
  void reset_peak() override { peak_bytes_ = used_bytes_; }
  std::unique_ptr<Recording> record() override;
  Weight load_weight(const Tensor& host, DType compute) override;
  DType operand_type(const Tensor& w, std::int64_t T) const override;
  void linear(const Tensor& y, const Tensor& x, const Tensor& w, const Epilogue& then) override;
  void linear_backward(const Tensor& dx, const Tensor& dw, const Tensor& dy, const Tensor& x,
                       const Tensor& w) override;
  void round(const Tensor& y, const Tensor& x) override;
  void round_to_fp8(const Tensor& y, const Tensor& turned, const Tensor& scale,
                    const Tensor& x) override;
  void multiply(const Tensor& y, const Factor& a, const Factor& b, const Epilogue& then) override;
  void add_bias(const Tensor& y, const Tensor& x, const Tensor& b) override;
  void add_bias_backward(const Tensor& dx, const Tensor& db, const Tensor& dy) override;
  void scale_columns(const Tensor& y, const Tensor& x, const Tensor& m, const Tensor& d) override;
  void scale_columns_backward(const Tensor& dx, const Tensor& dm, const Tensor& dy, const Tensor& x,
                              const Tensor& m, const Tensor& d) override;
  void embedding(const Tensor& y, const Tensor& w, const Tensor& ids) override;
  void embedding_backward(const Tensor& dw, const Tensor& dy, const Tensor& ids) override;
  void rms_norm(const Tensor& y, const Tensor& rstd, const Tensor& x, const Tensor& w,
                float eps) override;
  void rms_norm_backward(const Tensor& dx, const Tensor& dw, const Tensor& dy, const Tensor& x,
                         const Tensor& w, const Tensor& rstd) override;
  void swiglu(const Tensor& y, const Tensor& gate, const Tensor& up) override;
  void swiglu_backward(const Tensor& dgate, const Tensor& dup, const Tensor& dy, const Tensor& gate,
                       const Tensor& up) override;
  void gelu(const Tensor& y, const Tensor& x) override;
  void gelu_backward(const Tensor& dx, const Tensor& dy, const Tensor& x) override;
  void dropout(const Tensor& y, const Tensor& x, const Dropout& options) override;
  void dropout_backward(const Tensor& dx, const Tensor& dy, const Dropout& options) override;
  void add(const Tensor& y, const Tensor& a, const Tensor& b) override;
  void add_scaled(const Tensor& y, const Tensor& x, float s) override;
  void blend(const Tensor& y, float a, const Tensor& x, float b, const Tensor& z) override;
  void gather_rows(const Tensor& y, const Tensor& x, const Tensor& rows) override;
  void gather_rows_backward(const Tensor& dx, const Tensor& dy, const Tensor& rows) override;
  void rope_table(const Tensor& table, const Tensor& positions, const Tensor& frequencies,
                  float magnitude) override;
  void rope(const Tensor& y, const Tensor& x, const Tensor& table, bool interleaved) override;
  void rope_backward(const Tensor& dx, const Tensor& dy, const Tensor& table,
                     bool interleaved) override;
  void daw_decay(const Tensor& A, const Tensor& a, const Tensor& b, const Tensor& l,
                 const Tensor& newline, const Tensor& start, const Tensor& base) override;
  void daw_decay_backward(const Tensor& da, const Tensor& db, const Tensor& dl, const Tensor& dA,
                          const Tensor& a, const Tensor& b, const Tensor& l, const Tensor& newline,
                          const Tensor& start) override;
  void daw_gain(const Tensor& y, const Tensor& q, const Tensor& a, const Tensor& b) override;
  void daw_gain_backward(const Tensor& dq, const Tensor& da, const Tensor& db, const Tensor& dy,
                         const Tensor& q, const Tensor& a, const Tensor& b) override;
  void attention(const Tensor& y, const Tensor& lse, const Tensor& q, const Tensor& k,
                 const Tensor& v, const Tensor& A, const Tensor& start,
                 const AttentionOptions& options) override;
  void attention_backward(const Tensor& dq, const Tensor& dk, const Tensor& dv, const Tensor& dA,
                          const Tensor& dy, const Tensor& y, const Tensor& lse, const Tensor& q,
                          const Tensor& k, const Tensor& v, const Tensor& A, const Tensor& start,
                          const AttentionOptions& options) override;
  void kv_store(const PagedKv& kv, const Tensor& k, const Tensor& v, const Tensor& A,
                const Tensor& sequence, const Tensor& position) override;
  void kv_load_decay(const Tensor& base, const PagedKv& kv, const Tensor& sequence,
                     const Tensor& position) override;
  void attention_paged(const Tensor& y, const Tensor& q, const PagedKv& kv, const Tensor& A,
                       const Tensor& sequence, const Tensor& position,
                       const AttentionOptions& options) override;
  void leaders(const Tensor& ids, const Tensor& values, const Tensor& sums, const Tensor& logits,
               const Tensor& temperature, std::int64_t allowed) override;
  void cross_entropy(const Tensor& loss, const Tensor& logits, const Tensor& targets) override;
  void cross_entropy_backward(const Tensor& dlogits, const Tensor& dloss, const Tensor& logits,
                              const Tensor& targets) override;
  void adamw(const Tensor& w, const Moment& m, const Moment& v, const Tensor& g,
             const AdamwOptions& options) override;
  void sum_squares(const Tensor& out, const Tensor& x) override;

 private:
  friend class CudaRecording;
  static constexpr int kDevice = 0;

  // Memory for what an op needs on the way, until the next call. Grows, so that after the first
  // steps nothing is allocated any more.
  void* scratch(std::size_t bytes);
  // x in bf16 where `room` begins, which then begins behind it.
  const std::uint16_t* round_into(std::uint16_t*& room, const Tensor& x);

  cuda::Blas* blas();  // opened when it is first wanted; nullptr where there is none
  // Forward products by cuBLASLt. False: it has no way, and nothing was queued.
  bool linear_blas(const Tensor& y, const Tensor& x, const Tensor& w, const Epilogue& then);
  // The same of dx += dy w, for weights that products read in 16 bits.
  bool add_by_half(const Tensor& dx, const Tensor& dy, const Tensor& w);

  const bool batch_invariant_;
  bool recording_ = false;  // calls go into a graph: nothing may allocate or come from the host
  CUstream_st* stream_ = nullptr;
  std::unique_ptr<cuda::Staging> staging_;
  std::optional<std::unique_ptr<cuda::Blas>> blas_;
  void* scratch_ = nullptr;
  std::size_t scratch_bytes_ = 0;
  std::unordered_map<void*, std::size_t> sizes_;  // of what `allocate` gave
  std::size_t used_bytes_ = 0, peak_bytes_ = 0;
  int processors_ = 1;  // of the card
  std::string name_;
};

}  // namespace r1
