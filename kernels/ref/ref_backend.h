#pragma once

#include "lib/backend/backend.h"

namespace r1 {

// The definition of every operation: plain loops, sums in double, rounded to f32 once. Slow on
// purpose, and without state. Tests hold the other backends to it, and `--device ref` answers "is
// it the model or is it the kernel?".
class RefBackend : public Backend {
 public:
  Device device() const override { return Device::cpu; }
  std::string describe() const override { return "ref"; }
  void* allocate(std::size_t bytes) override;
  void release(void* memory) override;
  void copy_from_host(const Tensor& dst, const void* src) override;
  void copy_to_host(void* dst, const Tensor& src) override;
  void copy(const Tensor& dst, const Tensor& src) override;
  void zero(const Tensor& t) override;
  void synchronize() override {}
  Weight load_weight(const Tensor& host, DType compute) override;
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
};

}  // namespace r1
