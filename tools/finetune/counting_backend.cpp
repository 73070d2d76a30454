#include "tools/finetune/counting_backend.h"

#include <algorithm>
#include <cstring>

namespace r1 {
namespace {

double product(const Tensor& x, const Tensor& w) {
  return 2.0 * static_cast<double>(x.rows()) * static_cast<double>(w.shape.elements());
}

}  // namespace

void* CountingBackend::allocate(std::size_t bytes) {
  Piece piece{ReservedPages(bytes), bytes};
  void* const memory = piece.pages.data();
  pieces_.emplace(memory, std::move(piece));
  bytes_ += bytes;
  peak_ = std::max(peak_, bytes_);
  return memory;
}

void CountingBackend::release(void* memory) {
  const auto piece = pieces_.find(memory);
  bytes_ -= piece->second.bytes;
  pieces_.erase(piece);
}

void CountingBackend::copy_from_host(const Tensor& dst, const void* src) {
  if (dst.dtype != DType::i32) return;
  const auto* values = static_cast<const std::int32_t*>(src);
  integers_[dst.data].assign(values, values + dst.shape.elements());
}

void CountingBackend::copy_to_host(void* dst, const Tensor& src) {
  std::memset(dst, 0, src.bytes());
}

Backend::Weight CountingBackend::load_weight(const Tensor& host, DType) {
  Weight weight{host, Buffer()};
  if (!is_quantized(host.dtype)) weight.tensor.dtype = DType::f32;
  weight.memory = Buffer(*this, weight.tensor.bytes());
  weight.tensor.data = weight.memory.data();
  return weight;
}

void CountingBackend::linear(const Tensor&, const Tensor& x, const Tensor& w, const Epilogue&) {
  count(product(x, w));
}

void CountingBackend::linear_backward(const Tensor& dx, const Tensor& dw, const Tensor&,
                                      const Tensor& x, const Tensor& w) {
  for (const Tensor* wanted : {&dx, &dw})
    if (!wanted->empty()) count(product(x, w));
}

// As a card does: products of 8 bits are made of whole rows alone.
void CountingBackend::multiply(const Tensor& y, const Factor& a, const Factor& b, const Epilogue&) {
  const double product = 2.0 * static_cast<double>(y.cols() * a.values.shape.elements());
  count(product);
  const bool whole = a.values.has_whole_rows() && b.values.has_whole_rows() && y.has_whole_rows();
  if (whole && is_float8(a.values.dtype)) fp8_products_ += product;
}

double CountingBackend::attention_product(const Tensor& q, const Tensor& start,
                                          std::int64_t window) const {
  const std::vector<std::int32_t>& first = integers_.at(start.data);
  std::int64_t pairs = 0;
  for (std::int64_t t = 0; t < q.shape[0]; ++t) {
    const std::int64_t before = t + 1 - first[static_cast<std::size_t>(t)];
    pairs += window > 0 ? std::min(before, window) : before;
  }
  return 2 * static_cast<double>(pairs * q.shape[1] * q.shape[2]);
}

void CountingBackend::attention(const Tensor&, const Tensor&, const Tensor& q, const Tensor&,
                                const Tensor&, const Tensor&, const Tensor& start,
                                const AttentionOptions& options) {
  operations_ += 2 * attention_product(q, start, options.window);
}

// q k^T once more, and the gradients of v, of the softmax, of q and of k.
void CountingBackend::attention_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                         const Tensor&, const Tensor&, const Tensor&,
                                         const Tensor& q, const Tensor&, const Tensor&,
                                         const Tensor&, const Tensor& start,
                                         const AttentionOptions& options) {
  operations_ += 5 * attention_product(q, start, options.window);
}

}  // namespace r1
