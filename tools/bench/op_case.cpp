#include "tools/bench/op_case.h"

#include <algorithm>

#include <fmt/format.h>

#include "lib/base/random.h"
#include "lib/tensor/quant_block.h"

namespace r1 {

Tensor OpInputs::raw(const Shape& shape, DType dtype) {
  const Tensor t = arena_.take(shape, dtype);
  backend_.zero(t);
  return t;
}

Tensor OpInputs::floats(const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  ++seed_;
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = 2 * static_cast<float>(random_uniform(seed_, 0, i)) - 1;
  const Tensor t = arena_.take(shape, DType::f32);
  backend_.copy_from_host(t, values.data());
  return t;
}

Tensor OpInputs::integers(std::int64_t n, const std::function<std::int64_t(std::int64_t)>& value) {
  std::vector<std::int32_t> values;
  for (std::int64_t i = 0; i < n; ++i) values.push_back(static_cast<std::int32_t>(value(i)));
  const Tensor t = arena_.take({n}, DType::i32);
  backend_.copy_from_host(t, values.data());
  return t;
}

// Rows repeat after 64: making random numbers would take longer than using them.
Tensor OpInputs::weight(std::int64_t N, std::int64_t K, DType dtype) {
  const std::int64_t distinct = std::min<std::int64_t>(N, 64);
  std::vector<float> values(static_cast<std::size_t>(distinct * K));
  ++seed_;
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = 2 * static_cast<float>(random_uniform(seed_, 1, i)) - 1;
  const std::size_t row = static_cast<std::size_t>(K / block_elements(dtype)) * block_bytes(dtype);
  std::vector<std::byte> host(row * static_cast<std::size_t>(N));
  for (std::int64_t n = 0; n < N; ++n)
    pack(host.data() + row * static_cast<std::size_t>(n),
         std::span(values).subspan(static_cast<std::size_t>(n % distinct * K),
                                   static_cast<std::size_t>(K)),
         dtype);
  weights_.push_back(backend_.load_weight({host.data(), {N, K}, dtype},
                                          dtype == DType::f32 ? DType::f32 : DType::bf16));
  return weights_.back().tensor;
}

Runnable op_runnable(const OpCase& op, Backend& backend) {
  const auto inputs = std::make_shared<OpInputs>(backend);
  OpRun prepared = op.prepare(*inputs);
  Runnable r;
  r.record.id = op.id();
  r.record.test.kind = "op";
  r.record.test.device = backend.describe();
  r.record.test.dtype = to_string(op.dtype);
  r.work = std::move(prepared.work);
  r.run = [inputs, run = std::move(prepared.run), &backend] {
    run();
    backend.synchronize();
  };
  return r;
}

double bytes_of(Tensors tensors) {
  double bytes = 0;
  for (const Tensor& t : tensors) bytes += static_cast<double>(t.bytes());
  return bytes;
}

OpRun moves(Tensors tensors, std::function<void()> run) {
  return {std::move(run), {.bytes = bytes_of(tensors), .operations = {}}};
}

OpRun multiplies(Tensors tensors, DType type, double operations, std::function<void()> run) {
  return {std::move(run), {.bytes = bytes_of(tensors), .operations = {{type, operations}}}};
}

std::string rows_of(std::int64_t T, std::int64_t n) { return fmt::format("{}x{}", T, n); }

Tensor zeros(OpInputs& in, std::int64_t T) {
  return in.integers(T, [](std::int64_t) { return 0; });
}

Tensor counting(OpInputs& in, std::int64_t T) {
  return in.integers(T, [](std::int64_t t) { return t; });
}

}  // namespace r1
