#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bench/measure.h"

namespace r1 {

// Inputs of operations on a backend, made up from a seed; they live as long as this.
class OpInputs {
 public:
  explicit OpInputs(Backend& backend) : backend_(backend), arena_(backend) {}

  Backend& backend() { return backend_; }
  Tensor values(const Shape& shape, DType dtype);  // from -1 to 1, of a plain type
  Tensor floats(const Shape& shape) { return values(shape, DType::f32); }
  Tensor integers(std::int64_t n, const std::function<std::int64_t(std::int64_t)>& value);
  Tensor weight(std::int64_t N, std::int64_t K, DType dtype);  // loaded
  Tensor raw(const Shape& shape, DType dtype);                 // zeroed

 private:
  Backend& backend_;
  Arena arena_;
  std::vector<Backend::Weight> weights_;
  std::map<DType, Tensor> drawn_;  // kDrawn numbers of each type, on the device
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
  bool large = false;  // of a model of 7 billion weights: minutes on a CPU, measured when named
  std::string id() const { return "op:" + op + "/" + shape; }
};
// Every operation of the backend at the sizes of a decoder of 1.1 billion weights.
const std::vector<OpCase>& op_cases();

void add_attention_cases(std::vector<OpCase>& cases);  // a part of them

// Is it measured where this is asked for? `pattern` fits its op or its id; on a CPU a large one
// wants its whole id.
bool is_asked_for(const OpCase& op, std::string_view pattern, bool on_host);

void add_model_cases(std::vector<OpCase>& cases);  // the large ones

// On a card it runs with several sets of inputs in turn, so that none is still in the cache when
// it is needed again: twice the cache, at most kMostSets sets and a quarter of the free memory.
inline constexpr std::int64_t kMostSets = 32;
Runnable op_runnable(const OpCase& op, Backend& backend);

// Attention of `rows` rows at the end of one sequence of `past` positions, or of one row at the end
// of each of `rows` sequences. H, KV, hd.
struct PagedShape {
  std::int64_t rows = 0, heads = 0, kv_heads = 0, head = 0, past = 0;
  bool prefill = false, daw = false;
  DType pages = DType::bf16;
};
OpRun paged_run(OpInputs& in, const PagedShape& shape);
std::string kind_of(const PagedShape& shape);  // "decode/", "prefill/q8_0/"
// A weight [N, K] times T rows.
OpRun linear_run(OpInputs& in, std::int64_t T, std::int64_t K, std::int64_t N, DType type);

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
