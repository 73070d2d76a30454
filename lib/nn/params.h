#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/io/weights.h"
#include "lib/nn/graph.h"

namespace r1 {

struct LoadOptions {
  DType compute = DType::bf16;  // as Backend::load_weight: f32 keeps every bit
  bool trainable = false;       // plain weights with room for a gradient in f32
  DType trained = DType::f32;   // of trainable matrices; or bf16, rounded to nearest
  // Frozen matrices of layers are packed to it, rounded to nearest, where rows are whole blocks and
  // the file has them in 16 or 32 bits.
  std::optional<DType> layers;
};

// What a matrix of a layer becomes.
DType type_in_layer(const Tensor& host, const LoadOptions& options);

// The tensors of a model's files, handed out by name and put on the backend. A model takes each
// exactly once: a take fails with `model` when the name is missing or the shape is another one,
// `done` when something was left over. Owns the weights' memory; outlives the Vars.
class Params {
 public:
  Params(Backend& backend, const ModelFiles& files, const LoadOptions& options);

  Var matrix(const std::string& name, const Shape& shape);        // for `linear` and `embedding`
  Var layer_matrix(const std::string& name, const Shape& shape);  // the same of a layer
  // Every bit of it whatever the model's type: norms and biases, plain f32, and small matrices for
  // `linear`.
  Var exact(const std::string& name, const Shape& shape);
  bool has(std::string_view name) const;
  void ignore(std::string_view name);  // a known extra that is not used
  void done() const;
  Tensor constant(std::span<const float> values);  // f32 [n] on the backend, not of a file

  // [N]: the sum of squares of each row of a matrix of a layer, as it is multiplied.
  std::vector<float> row_squares(const std::string& name) const;

  // Name and Var of every weight taken, in the order taken: what an optimizer walks over.
  const std::vector<std::pair<std::string, Var>>& taken() const { return taken_; }

 private:
  const Tensor& claim(const std::string& name, const Shape& shape);
  // A plain copy on the backend, of f32 or bf16.
  Tensor plain(const Tensor& host, DType dtype = DType::f32);
  Tensor allocate(const Shape& shape, DType dtype = DType::f32);
  Var keep(const std::string& name, const Tensor& value);
  Var load(const std::string& name, const Tensor& host);
  Var load(const std::string& name, const Tensor& host, DType compute);

  Backend& backend_;
  const ModelFiles& files_;
  LoadOptions options_;
  std::set<std::string, std::less<>> used_;
  std::vector<std::pair<std::string, Var>> taken_;
  std::vector<Buffer> memory_;
  std::vector<std::vector<std::byte>> packed_;  // what weights refer to, of those packed here
};

}  // namespace r1
