#pragma once

#include <map>
#include <vector>

#include "lib/backend/backend.h"
#include "lib/base/reserved_pages.h"

namespace r1 {

// Computes nothing, and counts what would be: memory, and the operations of products and of
// attention. Its tensors have addresses and no bytes but those of integers; what is read from it is
// zero.
class CountingBackend : public Backend {
 public:
  std::uint64_t bytes() const { return bytes_; }     // taken now
  std::uint64_t peak() const { return peak_; }       // at most, since `reset_peak`
  double operations() const { return operations_; }  // a multiplication and an addition are two
  double products() const { return products_; }      // those of products with weights
  double fp8_products() const { return fp8_products_; }

  Device device() const override { return Device::cpu; }
  std::string describe() const override { return "none"; }
  void* allocate(std::size_t bytes) override;
  void release(void* memory) override;
  void copy_from_host(const Tensor& dst, const void* src) override;
  void copy_to_host(void* dst, const Tensor& src) override;
  void copy(const Tensor&, const Tensor&) override {}
  void zero(const Tensor&) override {}
  void synchronize() override {}
  void reset_peak() override { peak_ = bytes_; }
  // As many bytes as `cpu` takes: quantized blocks stay what they are, and all else becomes f32.
  Weight load_weight(const Tensor& host, DType compute) override;

  void linear(const Tensor& y, const Tensor& x, const Tensor& w, const Epilogue&) override;
  void linear_backward(const Tensor& dx, const Tensor& dw, const Tensor& dy, const Tensor& x,
                       const Tensor& w) override;
  void attention(const Tensor& y, const Tensor&, const Tensor& q, const Tensor&, const Tensor&,
                 const Tensor&, const Tensor& start, const AttentionOptions& options) override;
  void attention_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                          const Tensor&, const Tensor&, const Tensor& q, const Tensor&,
                          const Tensor&, const Tensor&, const Tensor& start,
                          const AttentionOptions& options) override;

  // Next to nothing beside those.
  void round(const Tensor&, const Tensor&) override {}
  void round_to_fp8(const Tensor&, const Tensor&, const Tensor&, const Tensor&) override {}
  void multiply(const Tensor& y, const Factor& a, const Factor& b, const Epilogue&) override;
  void add_bias(const Tensor&, const Tensor&, const Tensor&) override {}
  void add_bias_backward(const Tensor&, const Tensor&, const Tensor&) override {}
  void embedding(const Tensor&, const Tensor&, const Tensor&) override {}
  void embedding_backward(const Tensor&, const Tensor&, const Tensor&) override {}
  void rms_norm(const Tensor&, const Tensor&, const Tensor&, const Tensor&, float) override {}
  void rms_norm_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                         const Tensor&) override {}
  void swiglu(const Tensor&, const Tensor&, const Tensor&) override {}
  void swiglu_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                       const Tensor&) override {}
  void scale_columns(const Tensor&, const Tensor&, const Tensor&, const Tensor&) override {}
  void scale_columns_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                              const Tensor&, const Tensor&) override {}
  void dropout(const Tensor&, const Tensor&, const Dropout&) override {}
  void dropout_backward(const Tensor&, const Tensor&, const Dropout&) override {}
  void gelu(const Tensor&, const Tensor&) override {}
  void gelu_backward(const Tensor&, const Tensor&, const Tensor&) override {}
  void add(const Tensor&, const Tensor&, const Tensor&) override {}
  void add_scaled(const Tensor&, const Tensor&, float) override {}
  void blend(const Tensor&, float, const Tensor&, float, const Tensor&) override {}
  void gather_rows(const Tensor&, const Tensor&, const Tensor&) override {}
  void gather_rows_backward(const Tensor&, const Tensor&, const Tensor&) override {}
  void rope_table(const Tensor&, const Tensor&, const Tensor&, float) override {}
  void rope(const Tensor&, const Tensor&, const Tensor&, bool) override {}
  void rope_backward(const Tensor&, const Tensor&, const Tensor&, bool) override {}
  void daw_decay(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                 const Tensor&, const Tensor&) override {}
  void daw_decay_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                          const Tensor&, const Tensor&, const Tensor&, const Tensor&) override {}
  void daw_gain(const Tensor&, const Tensor&, const Tensor&, const Tensor&) override {}
  void daw_gain_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                         const Tensor&, const Tensor&) override {}
  void kv_store(const PagedKv&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                const Tensor&) override {}
  void kv_load_decay(const Tensor&, const PagedKv&, const Tensor&, const Tensor&) override {}
  void attention_paged(const Tensor&, const Tensor&, const PagedKv&, const Tensor&, const Tensor&,
                       const Tensor&, const AttentionOptions&) override {}
  void leaders(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
               std::int64_t) override {}
  void cross_entropy(const Tensor&, const Tensor&, const Tensor&) override {}
  void cross_entropy_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&) override {
  }
  void adamw(const Tensor&, const Moment&, const Moment&, const Tensor&,
             const AdamwOptions&) override {}
  void sum_squares(const Tensor&, const Tensor&) override {}

 private:
  void count(double product) { operations_ += product, products_ += product; }
  // Of one product of each row, q [T, H, hd], with all positions that it sees.
  double attention_product(const Tensor& q, const Tensor& start, std::int64_t window) const;

  struct Piece {
    ReservedPages pages;
    std::size_t bytes;
  };
  std::map<void*, Piece> pieces_;
  std::map<const void*, std::vector<std::int32_t>> integers_;  // by address, as copied last
  std::uint64_t bytes_ = 0, peak_ = 0;
  double operations_ = 0, products_ = 0, fp8_products_ = 0;
};

}  // namespace r1
