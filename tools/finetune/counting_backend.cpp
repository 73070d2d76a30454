#include "tools/finetune/counting_backend.h"

#include <algorithm>
#include <cstring>

namespace r1 {
namespace {

double product(const Tensor& x, const Tensor& w) {
  return 2.0 * static_cast<double>(x.rows()) * static_cast<double>(w.shape.elements());
}

// Of one product of each row, q [T, H, hd], with all positions that it sees.
double attention_product(const Tensor& q, std::int64_t window) {
  const auto T = static_cast<double>(q.shape[0]);
  const double seen = window > 0 ? std::min(T, static_cast<double>(window)) : T;
  const double pairs = seen * (seen + 1) / 2 + (T - seen) * seen;
  return 2 * pairs * static_cast<double>(q.shape[1] * q.shape[2]);
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
  operations_ += product(x, w);
}

void CountingBackend::linear_backward(const Tensor& dx, const Tensor& dw, const Tensor&,
                                      const Tensor& x, const Tensor& w) {
  for (const Tensor* wanted : {&dx, &dw})
    if (!wanted->empty()) operations_ += product(x, w);
}

void CountingBackend::multiply(const Tensor& y, const Factor& a, const Factor&, const Epilogue&) {
  operations_ += 2.0 * static_cast<double>(y.cols() * a.values.shape.elements());
}

void CountingBackend::attention(const Tensor&, const Tensor&, const Tensor& q, const Tensor&,
                                const Tensor&, const Tensor&, const Tensor&,
                                const AttentionOptions& options) {
  operations_ += 2 * attention_product(q, options.window);
}

// q k^T once more, and the gradients of v, of the softmax, of q and of k.
void CountingBackend::attention_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                         const Tensor&, const Tensor&, const Tensor&,
                                         const Tensor& q, const Tensor&, const Tensor&,
                                         const Tensor&, const Tensor&,
                                         const AttentionOptions& options) {
  operations_ += 5 * attention_product(q, options.window);
}

}  // namespace r1
