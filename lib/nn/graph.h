#pragma once

#include <array>
#include <functional>
#include <initializer_list>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "lib/backend/backend.h"

namespace r1 {

// A value, and where its gradient is added up. A weight brings its own memory for it, and what an
// op gives has a number: its graph lends the memory between the first that adds to it and the op's
// way back. Neither: nobody asked for one.
struct Var {
  Tensor value;
  Tensor grad;
  std::size_t number = 0;  // from 1
};

// What becomes of a product on its way out, as in `Epilogue`.
struct Then {
  Var bias;      // [N], or empty
  Var residual;  // [T, N], or empty
  Activation activation = Activation::none;
};

// A weight and what is added to its product.
struct Linear {
  Var weight;  // [N, K]
  Var bias;    // [N], or empty
};

// The weights of the products that read a value, and nothing else reads it; empty ones do not
// count. It may then be stored as they take it, which changes no bit of theirs.
using Readers = std::initializer_list<Var>;

// A matrix of low rank beside a weight w [N, K], as if the weight were w + scale b a:
// arXiv:2106.09685. With a magnitude each row of that sum has this length (DoRA, arXiv:2402.09353).
struct LowRank {
  Var a;  // [r, K]
  Var b;  // [N, r]
  float scale = 1.0f;
  Var magnitude;             // [N], or empty
  Tensor squares;            // [N], with a magnitude: the sum of squares of each row of w
  Tensor norms;              // [N]: `row_norms`, where a and b stay as they are; else empty
  std::uint64_t number = 0;  // no other of the network has it: the stream of its dropout
};
using LowRanks = std::map<const void*, LowRank>;  // by the weight's memory

// A matrix as products read it: itself in f32 and in blocks, or rounded to 16 bits, or to 8 with a
// scale and its transpose, which is what cards multiply by on the way back.
struct Operand {
  Tensor values, turned, scale;  // [R, C], [C, R], [1]; the last two of 8-bit floats
};
using Operands = std::map<const void*, Operand>;  // by the memory of what is rounded
void round_to(Backend& backend, const Operand& to, const Tensor& from);

// Checks shapes, takes memory from the arena, and runs each op as it is called: there is no graph
// to build or to plan. With `Mode::training` it also notes how to run each op backwards; the
// model code is the same. Vars are valid until the arena is reset.
class Graph {
 public:
  enum class Mode { inference, training };

  Graph(Backend& backend, Arena& arena, Mode mode = Mode::inference)
      : backend_(backend), arena_(arena), mode_(mode) {}
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  Backend& backend() { return backend_; }
  bool training() const { return mode_ == Mode::training; }
  // A network's layer, x -> body(x): in inference its Vars are valid until the end of the next one,
  // so that memory is that of two layers. With `recompute_layers` it is so in training too: x is
  // kept alone, and `body`, which is called again on the way back, owns what else it reads.
  using Layer = std::function<Var(const Var& x)>;
  Var layer(const Var& x, const Layer& body);
  void recompute_layers() { recompute_ = training(); }
  // Hears of the operands of each `linear` from now on, before it runs: calibration.
  using Watch = std::function<void(const Tensor& x, const Tensor& w)>;
  void watch_products(Watch watch) { watch_ = std::move(watch); }
  // Takes the weight that is returned in place of each that `linear` or `embedding` would read from
  // now on: what a model would be with another one. Gradients go to the one that it stands for; the
  // product of an adapter is in it already.
  using Replace = std::function<Tensor(const Tensor& w)>;
  void replace_weights(Replace replace) { replace_ = std::move(replace); }
  // From now on products with these weights are made of their rounded copies, and what they meet,
  // on the way back too, is rounded to the same type: gradients of e4m3 to e5m2. Weights that are
  // plain and of `type` themselves are their own copies. Products of attention stay f32 with
  // f16, and are bf16's with 8 bits. Sums are f32, and all else is. The copies outlive the graph.
  void round_products(DType type, const Operands* copies) {
    rounded_ = type;
    copies_ = copies;
  }
  // `linear` adds them to the products of their weights from now on. They outlive the graph. In
  // training some of what they read is dropped; the streams are their numbers.
  void adapt_weights(const LowRanks* adapters, const Dropout& dropout = {}) {
    adapters_ = adapters;
    dropout_ = dropout;
  }
  // The lengths [N] of the rows of w + scale b a; a constant for the gradient. Waits for the
  // device.
  Tensor row_norms(const Var& w, const LowRank& low);
  Tensor weight(const Var& w) const { return replace_ ? replace_(w.value) : w.value; }
  Tensor take(const Shape& shape, DType dtype = DType::f32) { return arena_.take(shape, dtype); }
  Tensor integers(std::span<const std::int32_t> values);  // i32 [n] on the device
  Tensor floats(std::span<const float> values);           // f32 [n] on the device
  Var make(const Shape& shape);                           // zeroed; with a gradient when training

  // What `linear` is made of, for those who bring the memory: y = x w^T and the epilogue; and dx +=
  // dy w, dw += dy^T x, where an empty one is skipped. Between them they keep x as it was read.
  Operand multiply(const Tensor& y, const Tensor& x, const Var& w, const Epilogue& then = {});
  void multiply_backward(const Tensor& dx, const Tensor& dw, const Tensor& dy, const Operand& x,
                         const Var& w);

  Var linear(const Var& x, const Var& w, const Then& then = {});  // [T, K], [N, K] -> [T, N]
  // The products of one x with several weights; of an empty one it is empty.
  template <std::size_t N>
  std::array<Var, N> linear_all(const Var& x, const Linear (&by)[N]) {
    std::array<Var, N> products;
    linear_all(products, x, by);
    return products;
  }
  Var add_bias(const Var& x, const Var& b);  // [T, N], [N]        -> [T, N]
  Var scale_columns(const Var& x, const Var& m,
                    const Tensor& d);  // x m / d: [T, N], [N], [N] -> [T, N]; d is a constant
  Var dropout(const Var& x, const Dropout& options);  // any shape
  Var embedding(const Var& w, const Tensor& ids);     // [V, D], i32 [T]    -> [T, D]
  Var rms_norm(const Var& x, const Var& w, float eps,
               Readers readers = {});                                // [.., D], [D]       -> as x
  Var swiglu(const Var& gate, const Var& up, Readers readers = {});  // both [T, K]        -> [T, K]
  Var gelu(const Var& x);                                            // any shape
  Var add(const Var& x, const Var& y, float scale = 1.0f);           // x + scale y, both [T, D]
  Var gather_rows(const Var& x, const Tensor& rows);                 // [T, D], i32 [R]    -> [R, D]
  Var reshape(const Var& x, const Shape& shape);                     // the same elements; no work
  Tensor rope_table(const Tensor& positions, const Tensor& frequencies, float magnitude);
  Var rope(const Var& x, const Tensor& table, bool interleaved);  // [T, H, hd] -> [T, H, hd]
  Var daw_decay(const Var& a, const Var& b, const Var& l, const Tensor& newline,
                const Tensor& start, const Tensor& base);  // [T, KV]    -> [T, KV]
  Var daw_gain(const Var& q, const Var& a, const Var& b);  // [T, H, hd] -> [T, H, hd]
  Var attention(const Var& q, const Var& k, const Var& v, const Var& A, const Tensor& start,
                AttentionOptions options);                      // [T, H, hd] -> [T, H, hd]
  Var cross_entropy(const Var& logits, const Tensor& targets);  // [T, V], i32 [T] -> [T]

  // Over the cache, in inference only: row t is position[t] of sequence[t], both i32 [T].
  void kv_store(const PagedKv& kv, const Var& k, const Var& v, const Var& A, const Tensor& sequence,
                const Tensor& position);  // [T, KV, hd], [T, KV, hd], [T, KV] or empty
  Tensor kv_load_decay(const PagedKv& kv, const Tensor& sequence,
                       const Tensor& position);  // -> [T, KV]
  Var attention_paged(const Var& q, const PagedKv& kv, const Var& A, const Tensor& sequence,
                      const Tensor& position,
                      const AttentionOptions& options);  // [T, H, hd] -> [T, H, hd]

  // What a gradient is added to: [as the value] f32, zeros at first, valid until it went back
  // through the op that gave the value. Empty when nobody asked for one.
  Tensor gradient(const Var& v);
  // Takes all gradients that are there back to what led to them.
  void backward();

 private:
  void linear_all(std::span<Var> products, const Var& x, std::span<const Linear> by);
  // What a product makes of x, as [T, N]. Fails where shapes do not fit.
  static Shape shape_of_product(const Var& x, const Var& w, const Then& then);
  // x w^T and what the epilogue adds, of the weight alone.
  Var product(const Var& x, const Var& w, const Then& then);
  const LowRank* adapter_of(const Var& w) const;
  Var adapted(const Var& x, const Var& w, const Then& then, const LowRank& low);
  // The same where `w` is replaced by what has the adapter's product in it.
  Var through_replaced(const Var& x, const Var& w, const Then& then, const LowRank& low);
  // A weight's rounded copy; empty where products read it as it is.
  Operand copy_of(const Var& w) const;
  // x [T, K] rounded to a type; what is turned is wanted of 8-bit floats alone.
  Operand rounded(const Tensor& x, DType type, bool turned);
  void turn();  // of the arena
  // As `make`, but the value is not zeroed.
  Var output(const Shape& shape, DType dtype = DType::f32);
  // The type in which all readers take T rows; f32 where they differ, or others look too.
  DType operand_type(Readers readers, std::int64_t T) const;
  // How y's gradient goes back to what y was made of: step(dy). It is not asked where no gradient
  // came to y. In inference nothing is kept, and nothing allocated.
  template <typename Step>
  void note(const Var& y, Step&& step) {
    if (notes()) tape_.emplace_back(y, std::forward<Step>(step));
  }
  // The last that a step does with dy: it is added to x's gradient, or becomes it.
  void pass_on(const Var& y, const Tensor& dy, const Var& x);
  std::size_t numbered();  // another gradient
  static bool is_wanted(const Var& v) { return v.number > 0 || !v.grad.empty(); }
  bool notes() const { return training() && !passing_; }

  Backend& backend_;
  Arena& arena_;
  Mode mode_;
  bool recompute_ = false;
  bool passing_ = false;  // through a layer that will be run again
  using Tape = std::vector<std::pair<Var, std::function<void(const Tensor& dy)>>>;
  Tape tape_;
  std::vector<void*> gradients_;            // by number; null where no memory is lent
  std::multimap<std::size_t, void*> free_;  // what is lent again, by bytes
  Watch watch_;
  Replace replace_;
  const LowRanks* adapters_ = nullptr;
  Dropout dropout_;  // of what they read
  DType rounded_ = DType::f32;
  const Operands* copies_ = nullptr;
  // Rounded last: several products read one value.
  struct {
    const void* of = nullptr;
    Operand operand;
  } last_;
  Operand gradient_;                     // of the product on its way back; its memory is used again
  std::vector<Projection> projections_;  // of the last `linear_all`: room for the next
};

}  // namespace r1
