#include "lib/nn/params.h"

#include <algorithm>
#include <utility>

#include "lib/base/error.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

// A matrix of a file in blocks; rows stand one behind the other.
std::vector<std::byte> packed_rows(const Tensor& host, DType type) {
  std::vector<std::byte> blocks(Tensor{nullptr, host.shape, type}.bytes());
  const std::size_t bytes = blocks.size() / static_cast<std::size_t>(host.rows());
  std::vector<float> row(static_cast<std::size_t>(host.cols()));
  for (std::int64_t n = 0; n < host.rows(); ++n) {
    unpack_row(row, host, n);
    pack(blocks.data() + static_cast<std::size_t>(n) * bytes, row, type);
  }
  return blocks;
}

}  // namespace

DType type_in_layer(const Tensor& host, const LoadOptions& options) {
  const bool fits = options.layers && !options.trainable && !is_quantized(host.dtype) &&
                    host.cols() % block_elements(*options.layers) == 0;
  return fits ? *options.layers : host.dtype;
}

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

Tensor Params::allocate(const Shape& shape, DType dtype) {
  Tensor t{nullptr, shape, dtype, backend_.device()};
  t.data = memory_.emplace_back(backend_, t.bytes()).data();
  return t;
}

Tensor Params::plain(const Tensor& host, DType dtype) {
  std::vector<float> values(static_cast<std::size_t>(host.shape.elements()));
  unpack(values, host.data, host.dtype);
  const Tensor t = allocate(host.shape, dtype);
  std::vector<std::byte> stored(t.bytes());
  pack(stored.data(), values, dtype);
  backend_.copy_from_host(t, stored.data());
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
  return load(name, claim(name, shape));
}

Var Params::layer_matrix(const std::string& name, const Shape& shape) {
  const Tensor& host = claim(name, shape);
  const DType type = type_in_layer(host, options_);
  if (type == host.dtype) return load(name, host);
  std::vector<std::byte> blocks = packed_rows(host, type);
  files_.release(host);
  Backend::Weight weight =
      backend_.load_weight({blocks.data(), host.shape, type}, options_.compute);
  if (weight.memory.empty())
    packed_.push_back(std::move(blocks));
  else
    memory_.push_back(std::move(weight.memory));
  return keep(name, weight.tensor);
}

Var Params::load(const std::string& name, const Tensor& host) {
  if (options_.trainable) return keep(name, plain(host, options_.trained));
  return load(name, host, options_.compute);
}

Var Params::load(const std::string& name, const Tensor& host, DType compute) {
  Backend::Weight weight = backend_.load_weight(host, compute);
  if (!weight.memory.empty()) {
    memory_.push_back(std::move(weight.memory));
    files_.release(host);  // what is packed is not read from the file again
  }
  return keep(name, weight.tensor);
}

Var Params::exact(const std::string& name, const Shape& shape) {
  const Tensor& host = claim(name, shape);
  const bool multiplied = shape.rank() == 2 && !options_.trainable && !is_quantized(host.dtype);
  return multiplied ? load(name, host, DType::f32) : keep(name, plain(host));
}

std::vector<float> Params::row_squares(const std::string& name) const {
  const Tensor& host = *files_.find(name);
  files_.fetch(host);
  const DType type = type_in_layer(host, options_);
  std::vector<std::byte> blocks;
  if (type != host.dtype) blocks = packed_rows(host, type);
  const Tensor used = type == host.dtype ? host : Tensor{blocks.data(), host.shape, type};
  std::vector<float> row(static_cast<std::size_t>(host.cols())), squares;
  for (std::int64_t n = 0; n < host.rows(); ++n) {
    unpack_row(row, used, n);
    double sum = 0;
    for (const float v : row) sum += double{v} * v;
    squares.push_back(static_cast<float>(sum));
  }
  const bool in_use = std::any_of(taken_.begin(), taken_.end(), [&](const auto& named) {
    return named.second.value.data == host.data;  // as `ref` takes weights
  });
  if (!in_use) files_.release(host);
  return squares;
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
