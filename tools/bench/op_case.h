#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "tools/bench/measure.h"

namespace r1 {

// Inputs of operations on a backend, made up from a seed; they live as long as this.
class OpInputs {
 public:
  explicit OpInputs(Backend& backend) : backend_(backend), arena_(backend) {}

  Backend& backend() { return backend_; }
  Tensor floats(const Shape& shape);  // from -1 to 1
  Tensor integers(std::int64_t n, const std::function<std::int64_t(std::int64_t)>& value);
  Tensor weight(std::int64_t N, std::int64_t K, DType dtype);  // loaded
  Tensor raw(const Shape& shape, DType dtype);                 // zeroed

 private:
  Backend& backend_;
  Arena arena_;
  std::vector<Backend::Weight> weights_;
  std::uint64_t seed_ = 0;
};

struct OpRun {
  std::function<void()> run;
  Work work;
};

// One operation of the backend at one size.
struct OpCase {
  std::string op;     // its name in backend.h
  std::string shape;  // "512x2048", "q8_0/512x2048x5632"
  std::int64_t rows = 0;
  DType dtype = DType::f32;  // of the weight
  std::function<OpRun(OpInputs&)> prepare;
  std::string id() const { return "op:" + op + "/" + shape; }
};
// Every operation of the backend at the sizes of a decoder of 1.1 billion weights.
const std::vector<OpCase>& op_cases();

void add_attention_cases(std::vector<OpCase>& cases);  // a part of them

Runnable op_runnable(const OpCase& op, Backend& backend);

// For the lists of cases. Bytes are those of all tensors, each as often as it is read or written.
using Tensors = std::initializer_list<Tensor>;
double bytes_of(Tensors tensors);
OpRun moves(Tensors tensors, std::function<void()> run);
OpRun multiplies(Tensors tensors, DType type, double operations, std::function<void()> run);
std::string rows_of(std::int64_t T, std::int64_t n);  // "512x2048"
Tensor zeros(OpInputs& in, std::int64_t T);           // i32 [T]
Tensor counting(OpInputs& in, std::int64_t T);        // i32 [T]: 0, 1, 2 …

namespace op_sizes {
inline constexpr std::int64_t kWidth = 2048, kInner = 5632, kVocab = 32000;         // D, K, V
inline constexpr std::int64_t kHeads = 32, kKvHeads = 4, kHead = 64, kPast = 2048;  // H, KV, hd
}  // namespace op_sizes

}  // namespace r1
