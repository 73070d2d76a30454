#include "lib/nn/params.h"

#include <utility>

#include "lib/base/error.h"
#include "lib/tensor/quant_block.h"

namespace r1 {

Params::Params(Backend& backend, const ModelFiles& files, const LoadOptions& options)
    : backend_(backend), files_(files), options_(options) {}

bool Params::has(std::string_view name) const { return files_.find(name) != nullptr; }

void Params::ignore(std::string_view name) { used_.emplace(name); }

const Tensor& Params::claim(const std::string& name, const Shape& shape) {
  const Tensor* tensor = files_.find(name);
  if (tensor == nullptr)
    fail(ErrorKind::model, "{} has no tensor {}", escaped(files_.path().string()), name);
  if (tensor->shape != shape)
    fail(ErrorKind::model, "{} is {}, not {}", name, to_string(tensor->shape), to_string(shape));
  if (is_integer(tensor->dtype))
    fail(ErrorKind::model, "{} holds whole numbers, not weights", name);
  if (is_float8(tensor->dtype))
    fail(ErrorKind::model, "{} is {}, and config.json names no quantization that scales it", name,
         to_string(tensor->dtype));
  if (!used_.insert(name).second) fail(ErrorKind::model, "{} is taken twice", name);
  files_.fetch(*tensor);
  return *tensor;
}

Tensor Params::allocate(const Shape& shape) {
  Tensor t{nullptr, shape, DType::f32, backend_.device()};
  t.data = memory_.emplace_back(backend_, t.bytes()).data();
  return t;
}

Tensor Params::widened(const Tensor& host) {
  std::vector<float> values(static_cast<std::size_t>(host.shape.elements()));
  unpack(values, host.data, host.dtype);
  const Tensor t = allocate(host.shape);
  backend_.copy_from_host(t, values.data());
  files_.release(host);
  return t;
}

Var Params::keep(const std::string& name, const Tensor& value) {
  Var var{value, {}};
  if (options_.trainable) {
    var.grad = allocate(value.shape);
    backend_.zero(var.grad);
  }
  taken_.emplace_back(name, var);
  return var;
}

Var Params::matrix(const std::string& name, const Shape& shape) {
  const Tensor& host = claim(name, shape);
  if (options_.trainable) return keep(name, widened(host));
  Backend::Weight weight = backend_.load_weight(host, options_.compute);
  if (!weight.memory.empty()) {
    memory_.push_back(std::move(weight.memory));
    files_.release(host);  // what is packed is not read from the file again
  }
  return keep(name, weight.tensor);
}

Var Params::exact(const std::string& name, const Shape& shape) {
  return keep(name, widened(claim(name, shape)));
}

Tensor Params::constant(std::span<const float> values) {
  const Tensor t = allocate({static_cast<std::int64_t>(values.size())});
  backend_.copy_from_host(t, values.data());
  return t;
}

void Params::done() const {
  for (const auto& [name, tensor] : files_.tensors())
    if (!used_.contains(name))
      fail(ErrorKind::model, "{} {} has no place in this architecture", escaped(name),
           to_string(tensor.shape));
}

}  // namespace r1
