#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/slabs.h"
#include "lib/backend/backend.h"
#include "lib/base/parallel.h"

namespace r1 {

// Kernels for this machine's processor, on a fixed pool of threads. The members of an op family are
// defined in the file of that name; what is compiled once per instruction set is in `isa`.
class CpuBackend : public Backend {
 public:
  // isa: "baseline", "avx2", "avx2_vnni" (AVX-VNNI), "avx512_vnni", with products of f16
  // besides "avx512_fp16", of bf16 "avx512", on ARM "baseline" and "dotprod", or empty for the best
  // this machine has. Fails with `device` when it has not got that one, with `usage` when there is
  // none so named.
  CpuBackend(int threads, std::string_view isa);
  // With kernels of the caller's, which this machine has to know.
  CpuBackend(int threads, const cpu::Kernels& kernels) : kernels_(kernels), pool_(threads) {}

  Device device() const override { return Device::cpu; }
  std::string describe() const override;
  void* allocate(std::size_t bytes) override;
  void release(void* memory) override;
  void copy_from_host(const Tensor& dst, const void* src) override;
  void copy_to_host(void* dst, const Tensor& src) override;
  void copy(const Tensor& dst, const Tensor& src) override;
  void zero(const Tensor& t) override;
  void synchronize() override {}
  Weight load_weight(const Tensor& host, DType compute) override;
  DType sixteen_bit_type() const override { return kernels_.has_f16 ? DType::f16 : DType::bf16; }
  double multiply_in_registers(DType weight, std::int64_t rounds) override;
  void linear(const Tensor& y, const Tensor& x, const Tensor& w, const Epilogue& then) override;
  void linear_all(const Tensor& x, std::span<const Projection> projections) override;
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
  // body(begin, end) over [0, rows), on several threads where they touch enough elements.
  void for_rows(std::int64_t rows, std::int64_t work_per_row,
                const std::function<void(std::int64_t, std::int64_t)>& body);
  // Panel p of a w as it lies in files, as `cpu::pack_panel` makes it.
  void lay_panel(std::byte* panel, cpu::PanelType type, const Tensor& w, std::int64_t p) const;
  // y = x x^T of a plain x.
  void gram(const Tensor& y, const Tensor& x);
  // y = x w^T for all panels of some w, as one piece of work; x [T, K] as the type takes it.
  void multiply_panels(cpu::PanelType type, const cpu::Rows& x, std::int64_t T, std::int64_t K,
                       std::span<const Projection> projections);
  // Of panels that multiply x by a w, which may not be packed.
  cpu::PanelType type_of_product(const Tensor& x, const Tensor& w) const;
  // Rows of x in the form that a panel type wants, in memory of this backend until the next call.
  cpu::Rows prepare(const Tensor& x, cpu::PanelType type);
  // Those of a plain x [R, K], of f32 or bf16 (std::uint16_t), in f16.
  template <typename T>
  cpu::Rows in_halves(const cpu::Strided<T>& x, std::int64_t R, std::int64_t K);
  // Row n of a weight, widened; `room` holds it when it is not f32 already.
  const float* weight_row(const Tensor& w, std::int64_t n, std::vector<float>& room) const;

  // Elements from `first` on of a tensor of any plain type become x [n], and the other way.
  void store(const Tensor& y, std::int64_t first, const float* x, std::int64_t n) const;
  static void load(float* x, const Tensor& t, std::int64_t first, std::int64_t n);

  // out [R, C] += a [R, I] b [I, C], plain, of f32 or of bf16 (std::uint16_t): a's rows are then an
  // even number apart and end, if I is odd, in a zero; or it is the transpose of more than one
  // column.
  template <typename T>
  void add_product(const Tensor& out, const cpu::Strided<T>& a, const T* b, std::int64_t I);
  // The same of halves that both are scaled to, and of any such a.
  template <typename T>
  void add_product_of_halves(const Tensor& out, const cpu::Strided<T>& a, const T* b,
                             std::int64_t I);
  // dx += dy w of a w that is unpacked some rows at a time, to f32 or to bf16 as dy is.
  template <typename T>
  void add_unpacked(const Tensor& dx, const cpu::Strided<T>& dy, const Tensor& w,
                    bool in_halves = false);
  // A factor's numbers without its scale, in `room`.
  Tensor widened(std::vector<float>& room, const Factor& f);

  struct PagedAttention;

  const cpu::Kernels& kernels_;
  ThreadPool pool_;
  cpu::Slabs slabs_;
  std::vector<std::uint16_t> halves_;  // what `prepare` hands out
  std::vector<cpu::Pair> pairs_;
  std::vector<float> rounded_;
  std::vector<cpu::XBlock> blocks_;
  std::vector<float> a_, b_, turned_;  // factors of `multiply`
};

}  // namespace r1
