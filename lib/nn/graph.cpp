#include "lib/nn/graph.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <optional>
#include <string>

#include "lib/base/error.h"

namespace r1 {
namespace {

// Fails with the shapes: "linear: [3, 64] and [32, 48] do not fit".
template <typename... Shapes>
void want(bool fits, const char* op, const Shapes&... shapes) {
  if (fits) return;
  std::string text;
  ((text += (text.empty() ? "" : " and ") + to_string(shapes)), ...);
  fail(ErrorKind::model, "{}: {} do not fit", op, text);
}

bool is(const Tensor& t, const Shape& shape) { return t.shape == shape; }
bool is_or_empty(const Tensor& t, const Shape& shape) { return t.empty() || t.shape == shape; }

// An operand whose columns, or whose rows, are summed over.
Factor along(const Operand& o) { return {o.values, true, o.scale}; }
Factor across(const Operand& o) {
  const bool turned = !o.turned.empty();
  return {turned ? o.turned : o.values, turned, o.scale};
}

// The shared part of both attentions: whole groups of query heads, key heads of the same width.
bool heads_fit(const Shape& q, const Shape& k) {
  return q.rank() == 3 && k.rank() >= 3 && q[2] == k[-1] && k[1] > 0 && q[1] % k[1] == 0;
}

}  // namespace

void round_to(Backend& backend, const Operand& to, const Tensor& from) {
  if (is_float8(to.values.dtype))
    backend.round_to_fp8(to.values, to.turned, to.scale, from);
  else
    backend.round(to.values, from);
}

Tensor Graph::integers(std::span<const std::int32_t> values) {
  const Tensor t = take({static_cast<std::int64_t>(values.size())}, DType::i32);
  backend_.copy_from_host(t, values.data());
  return t;
}

Tensor Graph::floats(std::span<const float> values) {
  const Tensor t = take({static_cast<std::int64_t>(values.size())});
  backend_.copy_from_host(t, values.data());
  return t;
}

DType Graph::operand_type(Readers readers, std::int64_t T) const {
  if (watch_ || replace_ || adapters_ != nullptr) return DType::f32;
  const auto type_for = [&](const Var& w) {
    if (!training()) return backend_.operand_type(w.value, T);
    const Operand copy = copy_of(w);
    return copy.values.empty() || is_float8(copy.values.dtype) ? DType::f32 : copy.values.dtype;
  };
  std::optional<DType> common;
  for (const Var& w : readers) {
    if (w.value.empty()) continue;
    const DType type = type_for(w);
    if (common.value_or(type) != type) return DType::f32;
    common = type;
  }
  return common.value_or(DType::f32);
}

Var Graph::output(const Shape& shape, DType dtype) {
  Var v{take(shape, dtype), {}};
  if (notes()) v.number = numbered();
  return v;
}

Var Graph::make(const Shape& shape) {
  Var v{take(shape), training() ? take(shape) : Tensor{}};
  for (const Tensor& t : {v.value, v.grad})
    if (!t.empty()) backend_.zero(t);
  return v;
}

const LowRank* Graph::adapter_of(const Var& w) const {
  if (adapters_ == nullptr) return nullptr;
  const auto found = adapters_->find(w.value.data);
  return found == adapters_->end() ? nullptr : &found->second;
}

// The way back is that of the ops apart; gelu's wants what it was given.
Var Graph::linear(const Var& x, const Var& w, const Then& then) {
  const LowRank* low = adapter_of(w);
  if (low == nullptr && !training()) return product(x, w, then);
  const Then linear_part{.bias = then.bias, .residual = then.residual};
  const Var y = low != nullptr ? adapted(x, w, linear_part, *low) : product(x, w, linear_part);
  return then.activation == Activation::none ? y : gelu(y);
}

Var Graph::adapted(const Var& x, const Var& w, const Then& then, const LowRank& low) {
  if (replace_) return through_replaced(x, w, then, low);
  const bool scaled = !low.magnitude.value.empty();  // the product, not what is added to it
  const Dropout drop{dropout_.share, dropout_.seed, low.number};
  const Var read = training() && drop.share > 0 ? dropout(x, drop) : x;
  const Var few = product(read, low.a, {});  // [T, r]
  const Var of_scale = low.scale == 1.0f ? few : add(few, few, low.scale - 1);
  Var y = product(of_scale, low.b, {.residual = product(x, w, scaled ? Then{} : then)});
  if (!scaled) return y;
  y = scale_columns(y, low.magnitude, low.norms.empty() ? row_norms(w, low) : low.norms);
  if (!then.bias.value.empty()) y = add_bias(y, then.bias);
  return then.residual.value.empty() ? y : add(y, then.residual);
}

// The matrices of low rank have gradients as if their product was added here.
Var Graph::through_replaced(const Var& x, const Var& w, const Then& then, const LowRank& low) {
  const Var y = product(x, w, then);
  if (!training()) return y;
  const Var still{x.value, {}};  // its gradient comes through the weight alone
  const Var beside = product(product(still, low.a, {}), low.b, {});
  note({},
       [=, this](const Tensor&) { backend_.add_scaled(gradient(beside), gradient(y), low.scale); });
  return y;
}

// |w + s b a|^2 = |w|^2 + 2 s b·(w a^T) + s^2 b·(a a^T b) by row, so that w is only multiplied by,
// in whatever form it is.
Tensor Graph::row_norms(const Var& w, const LowRank& low) {
  constexpr double kLeast = 1e-24;  // of a square: rows of zeros stay zeros
  const Tensor &a = low.a.value, &b = low.b.value;
  const std::int64_t N = b.rows(), r = b.cols();
  const Tensor by_a = take({r, N}), gram = take({r, r});
  backend_.linear(by_a, a, weight(w), {});
  backend_.linear(gram, a, a, {});
  const auto host = [&](const Tensor& t) {
    std::vector<float> values(static_cast<std::size_t>(t.shape.elements()));
    backend_.copy_to_host(values.data(), t);
    return values;
  };
  const std::vector<float> p = host(by_a), g = host(gram), bs = host(b), s = host(low.squares);
  std::vector<float> norms(s.size());
  for (std::int64_t n = 0; n < N; ++n) {
    const float* row = bs.data() + n * r;
    double cross = 0, square = 0;
    for (std::int64_t i = 0; i < r; ++i) {
      cross += double{row[i]} * p[static_cast<std::size_t>(i * N + n)];
      for (std::int64_t j = 0; j < r; ++j)
        square += double{row[i]} * row[j] * g[static_cast<std::size_t>(i * r + j)];
    }
    const double sum =
        s[static_cast<std::size_t>(n)] + low.scale * (2 * cross + low.scale * square);
    norms[static_cast<std::size_t>(n)] = static_cast<float>(std::sqrt(std::max(sum, kLeast)));
  }
  return floats(norms);
}

// One by one where a product is more than a backend's, or somebody looks at each.
void Graph::linear_all(std::span<Var> products, const Var& x, std::span<const Linear> by) {
  const bool alone =
      training() || watch_ || replace_ || adapters_ != nullptr || rounded_ != DType::f32;
  projections_.clear();
  for (std::size_t i = 0; i < by.size(); ++i) {
    const auto& [w, b] = by[i];
    if (w.value.empty()) continue;
    if (alone) {
      products[i] = linear(x, w, {.bias = b});
    } else {
      products[i] = output(shape_of_product(x, w, {.bias = b}));
      projections_.push_back({products[i].value, w.value, {.bias = b.value}});
    }
  }
  backend_.linear_all(x.value, projections_);
}

Shape Graph::shape_of_product(const Var& x, const Var& w, const Then& then) {
  const Var &b = then.bias, &r = then.residual;
  want(x.value.shape.rank() == 2 && w.value.shape.rank() == 2 && x.value.cols() == w.value.cols(),
       "linear", x.value.shape, w.value.shape);
  const Shape s{x.value.shape[0], w.value.shape[0]};
  const bool activated = then.activation != Activation::none;
  want(is_or_empty(b.value, {s[1]}) && is_or_empty(r.value, s) && !(activated && !r.value.empty()),
       "linear's epilogue", s, b.value.shape, r.value.shape);
  return s;
}

Var Graph::product(const Var& x, const Var& w, const Then& then) {
  const Var &b = then.bias, &r = then.residual;
  const Var y = output(shape_of_product(x, w, then));
  if (watch_) watch_(x.value, w.value);
  const Operand read = multiply(y.value, x.value, w, {b.value, r.value, then.activation});
  note(y, [=, this](const Tensor& dy) {
    if (is_wanted(b)) backend_.add_bias_backward({}, gradient(b), dy);
    multiply_backward(gradient(x), w.grad, dy, read, w);
    pass_on(y, dy, r);
  });
  return y;
}

Operand Graph::copy_of(const Var& w) const {
  if (rounded_ == DType::f32) return {};
  if (const auto found = copies_->find(w.value.data); found != copies_->end()) return found->second;
  const bool own = !replace_ && !w.value.packed && w.value.dtype == rounded_;
  return own ? Operand{w.value, {}, {}} : Operand{};
}

Operand Graph::multiply(const Tensor& y, const Tensor& x, const Var& w, const Epilogue& then) {
  const Operand copy = copy_of(w);
  if (copy.values.empty()) {
    backend_.linear(y, x, weight(w), then);
    return {x, {}, {}};
  }
  const Operand read = rounded(x, copy.values.dtype, !w.grad.empty());
  backend_.multiply(y, along(read), along(copy), then);
  return read;
}

void Graph::multiply_backward(const Tensor& dx, const Tensor& dw, const Tensor& dy,
                              const Operand& x, const Var& w) {
  const Operand copy = copy_of(w);
  if (copy.values.empty()) return backend_.linear_backward(dx, dw, dy, x.values, weight(w));
  const DType type = copy.values.dtype;
  const bool eight = is_float8(type);
  const auto again = [&](Tensor& room, const Shape& shape, DType dtype) {
    Tensor t{room.data, shape, dtype, room.device};
    if (room.empty() || room.bytes() < t.bytes()) room = t = take(shape, dtype);
    return t;
  };
  Operand d{again(gradient_.values, dy.shape, eight ? DType::f8_e5m2 : type), {}, {}};
  if (eight) d.scale = again(gradient_.scale, {1}, DType::f32);
  if (eight && !dw.empty())
    d.turned = again(gradient_.turned, {dy.cols(), dy.rows()}, DType::f8_e5m2);
  round_to(backend_, d, dy);
  if (!dx.empty()) backend_.multiply(dx, along(d), across(copy), {.residual = dx});
  if (!dw.empty()) backend_.multiply(dw, across(d), across(x), {.residual = dw});
}

Operand Graph::rounded(const Tensor& x, DType type, bool turned) {
  if (x.dtype == type) return {x, {}, {}};
  const bool eight = is_float8(type);
  turned = turned && eight;
  const Operand& last = last_.operand;
  if (last_.of == x.data && last.values.dtype == type && (!turned || !last.turned.empty()))
    return last;
  const Operand o{take(x.shape, type), turned ? take({x.cols(), x.rows()}, type) : Tensor{},
                  eight ? take({1}) : Tensor{}};
  round_to(backend_, o, x);
  last_ = {x.data, o};
  return o;
}

void Graph::turn() {
  arena_.turn();
  last_ = {};
  gradient_ = {};
}

Var Graph::add_bias(const Var& x, const Var& b) {
  want(x.value.shape.rank() == 2 && is(b.value, {x.value.cols()}), "add_bias", x.value.shape,
       b.value.shape);
  const Var y = output(x.value.shape);
  backend_.add_bias(y.value, x.value, b.value);
  note(y, [=, this](const Tensor& dy) {
    backend_.add_bias_backward({}, gradient(b), dy);
    pass_on(y, dy, x);
  });
  return y;
}

Var Graph::scale_columns(const Var& x, const Var& m, const Tensor& d) {
  want(x.value.shape.rank() == 2 && is(m.value, {x.value.cols()}) && is(d, m.value.shape),
       "scale_columns", x.value.shape, m.value.shape, d.shape);
  const Var y = output(x.value.shape);
  backend_.scale_columns(y.value, x.value, m.value, d);
  note(y, [=, this](const Tensor& dy) {
    backend_.scale_columns_backward(gradient(x), gradient(m), dy, x.value, m.value, d);
  });
  return y;
}

Var Graph::dropout(const Var& x, const Dropout& options) {
  const Var y = output(x.value.shape);
  backend_.dropout(y.value, x.value, options);
  note(y, [=, this](const Tensor& dy) { backend_.dropout_backward(gradient(x), dy, options); });
  return y;
}

Var Graph::embedding(const Var& w, const Tensor& ids) {
  want(w.value.shape.rank() == 2 && ids.shape.rank() == 1, "embedding", w.value.shape, ids.shape);
  const Var y = output({ids.shape[0], w.value.shape[1]});
  backend_.embedding(y.value, weight(w), ids);
  note(y, [=, this](const Tensor& dy) { backend_.embedding_backward(gradient(w), dy, ids); });
  return y;
}

Var Graph::rms_norm(const Var& x, const Var& w, float eps, Readers readers) {
  want(x.value.shape.rank() > 0 && is(w.value, {x.value.cols()}), "rms_norm", x.value.shape,
       w.value.shape);
  const Var y = output(x.value.shape, operand_type(readers, x.value.rows()));
  const Tensor rstd = training() ? take({x.value.rows()}) : Tensor{};
  backend_.rms_norm(y.value, rstd, x.value, w.value, eps);
  note(y, [=, this](const Tensor& dy) {
    backend_.rms_norm_backward(gradient(x), gradient(w), dy, x.value, w.value, rstd);
  });
  return y;
}

Var Graph::swiglu(const Var& gate, const Var& up, Readers readers) {
  want(is(up.value, gate.value.shape), "swiglu", gate.value.shape, up.value.shape);
  const Var y = output(gate.value.shape, operand_type(readers, gate.value.rows()));
  backend_.swiglu(y.value, gate.value, up.value);
  note(y, [=, this](const Tensor& dy) {
    backend_.swiglu_backward(gradient(gate), gradient(up), dy, gate.value, up.value);
  });
  return y;
}

Var Graph::gelu(const Var& x) {
  const Var y = output(x.value.shape);
  backend_.gelu(y.value, x.value);
  note(y, [=, this](const Tensor& dy) { backend_.gelu_backward(gradient(x), dy, x.value); });
  return y;
}

// Never in place: the ops before this one need the old x on the way back.
Var Graph::add(const Var& x, const Var& y, float scale) {
  want(is(y.value, x.value.shape), "add", x.value.shape, y.value.shape);
  const Var z = output(x.value.shape);
  if (scale == 1.0f) {
    backend_.add(z.value, x.value, y.value);
  } else {
    backend_.copy(z.value, x.value);
    backend_.add_scaled(z.value, y.value, scale);
  }
  note(z, [=, this](const Tensor& dz) {
    if (is_wanted(y)) backend_.add_scaled(gradient(y), dz, scale);
    pass_on(z, dz, x);
  });
  return z;
}

Var Graph::gather_rows(const Var& x, const Tensor& rows) {
  want(x.value.shape.rank() == 2 && rows.shape.rank() == 1, "gather_rows", x.value.shape,
       rows.shape);
  const Var y = output({rows.shape[0], x.value.shape[1]});
  backend_.gather_rows(y.value, x.value, rows);
  note(y, [=, this](const Tensor& dy) { backend_.gather_rows_backward(gradient(x), dy, rows); });
  return y;
}

// Labels turn and the number stays, so gradients meet in the same memory: there is nothing to note.
Var Graph::reshape(const Var& x, const Shape& shape) {
  want(x.value.shape.elements() == shape.elements(), "reshape", x.value.shape, shape);
  return {x.value.reshaped(shape), x.grad.empty() ? Tensor{} : x.grad.reshaped(shape), x.number};
}

Tensor Graph::rope_table(const Tensor& positions, const Tensor& frequencies, float magnitude) {
  want(positions.shape.rank() == 1 && frequencies.shape.rank() == 1, "rope_table", positions.shape,
       frequencies.shape);
  const Tensor table = take({positions.shape[0], frequencies.shape[0], 2});
  backend_.rope_table(table, positions, frequencies, magnitude);
  return table;
}

Var Graph::rope(const Var& x, const Tensor& table, bool interleaved) {
  const Shape& s = x.value.shape;
  want(s.rank() == 3 && s[2] % 2 == 0 && is(table, {s[0], s[2] / 2, 2}), "rope", s, table.shape);
  const Var y = output(s);
  backend_.rope(y.value, x.value, table, interleaved);
  note(y, [=, this](const Tensor& dy) {
    backend_.rope_backward(gradient(x), dy, table, interleaved);
  });
  return y;
}

Var Graph::daw_decay(const Var& a, const Var& b, const Var& l, const Tensor& newline,
                     const Tensor& start, const Tensor& base) {
  const Shape& s = a.value.shape;
  want(s.rank() == 2 && is(b.value, {s[1]}) && is_or_empty(l.value, {s[1]}) && is(start, {s[0]}) &&
           is_or_empty(newline, {s[0]}) && is_or_empty(base, s) &&
           l.value.empty() == newline.empty(),
       "daw_decay", s, b.value.shape, l.value.shape, newline.shape, start.shape, base.shape);
  const Var A = output(s);
  backend_.daw_decay(A.value, a.value, b.value, l.value, newline, start, base);
  note(A, [=, this](const Tensor& dA) {
    backend_.daw_decay_backward(gradient(a), gradient(b), gradient(l), dA, a.value, b.value,
                                l.value, newline, start);
  });
  return A;
}

Var Graph::daw_gain(const Var& q, const Var& a, const Var& b) {
  const Shape &s = q.value.shape, &g = a.value.shape;
  want(s.rank() == 3 && g.rank() == 2 && s[0] == g[0] && g[1] > 0 && s[1] % g[1] == 0 &&
           is(b.value, {g[1]}),
       "daw_gain", s, g, b.value.shape);
  const Var y = output(s);
  backend_.daw_gain(y.value, q.value, a.value, b.value);
  note(y, [=, this](const Tensor& dy) {
    backend_.daw_gain_backward(gradient(q), gradient(a), gradient(b), dy, q.value, a.value,
                               b.value);
  });
  return y;
}

Var Graph::attention(const Var& q, const Var& k, const Var& v, const Var& A, const Tensor& start,
                     AttentionOptions options) {
  const Shape &s = q.value.shape, &ks = k.value.shape;
  want(heads_fit(s, ks) && ks.rank() == 3 && ks[0] == s[0] && is(v.value, ks) &&
           is_or_empty(A.value, {ks[0], ks[1]}) && is(start, {s[0]}),
       "attention", s, ks, v.value.shape, A.value.shape, start.shape);
  const bool half = rounded_ == DType::f16 && backend_.device() == Device::cuda;
  if (rounded_ == DType::bf16 || rounded_ == DType::f8_e4m3 || half) options.products = DType::bf16;
  const Var y = output(s);
  const Tensor lse = training() ? take({s[0], s[1]}) : Tensor{};
  backend_.attention(y.value, lse, q.value, k.value, v.value, A.value, start, options);
  note(y, [=, this](const Tensor& dy) {
    backend_.attention_backward(gradient(q), gradient(k), gradient(v), gradient(A), dy, y.value,
                                lse, q.value, k.value, v.value, A.value, start, options);
  });
  return y;
}

Var Graph::cross_entropy(const Var& logits, const Tensor& targets) {
  const Shape& s = logits.value.shape;
  want(s.rank() == 2 && is(targets, {s[0]}), "cross_entropy", s, targets.shape);
  const Var loss = output({s[0]});
  backend_.cross_entropy(loss.value, logits.value, targets);
  note(loss, [=, this](const Tensor& dloss) {
    backend_.cross_entropy_backward(gradient(logits), dloss, logits.value, targets);
  });
  return loss;
}

void Graph::kv_store(const PagedKv& kv, const Var& k, const Var& v, const Var& A,
                     const Tensor& sequence, const Tensor& position) {
  const Shape &s = k.value.shape, &page = kv.keys.shape;
  want(s.rank() == 3 && page.rank() == 4 && s[1] == page[1] && s[2] == page[3] && is(v.value, s) &&
           is_or_empty(A.value, {s[0], s[1]}) && is(sequence, {s[0]}) && is(position, {s[0]}),
       "kv_store", s, page, v.value.shape, A.value.shape, sequence.shape, position.shape);
  assert(!training());
  backend_.kv_store(kv, k.value, v.value, A.value, sequence, position);
}

Tensor Graph::kv_load_decay(const PagedKv& kv, const Tensor& sequence, const Tensor& position) {
  want(kv.decay.shape.rank() == 3 && sequence.shape.rank() == 1 && is(position, sequence.shape),
       "kv_load_decay", kv.decay.shape, sequence.shape, position.shape);
  const Tensor base = take({sequence.shape[0], kv.decay.shape[1]});
  backend_.kv_load_decay(base, kv, sequence, position);
  return base;
}

Var Graph::attention_paged(const Var& q, const PagedKv& kv, const Var& A, const Tensor& sequence,
                           const Tensor& position, const AttentionOptions& options) {
  const Shape &s = q.value.shape, &page = kv.keys.shape;
  want(heads_fit(s, page) && page.rank() == 4 && is_or_empty(A.value, {s[0], page[1]}) &&
           A.value.empty() == kv.decay.empty() && is(sequence, {s[0]}) && is(position, {s[0]}),
       "attention_paged", s, page, A.value.shape, sequence.shape, position.shape);
  assert(!training());
  const Var y = output(s);
  backend_.attention_paged(y.value, q.value, kv, A.value, sequence, position, options);
  return y;
}

Var Graph::layer(const Var& x, const Layer& body) {
  if (!recompute_) {
    if (!training()) turn();
    return body(x);
  }
  turn();
  passing_ = true;
  const Var passed = body({x.value, {}});
  passing_ = false;
  const Var y{arena_.take_lasting(passed.value.shape, DType::f32), {}, numbered()};
  backend_.copy(y.value, passed.value);
  note(y, [=, this](const Tensor& dy) {
    Tape before;
    before.swap(tape_);
    turn();
    pass_on(y, dy, body(x));
    backward();
    before.swap(tape_);
  });
  return y;
}

std::size_t Graph::numbered() {
  gradients_.push_back(nullptr);
  return gradients_.size();
}

Tensor Graph::gradient(const Var& v) {
  if (v.number == 0) return v.grad;
  void*& memory = gradients_[v.number - 1];
  const Shape& shape = v.value.shape;
  Tensor t{memory, shape, DType::f32, v.value.device};
  if (memory != nullptr) return t;
  if (auto lent = free_.extract(t.bytes()))
    t.data = lent.mapped();
  else
    t = arena_.take_lasting(shape, DType::f32);
  memory = t.data;
  backend_.zero(t);
  return t;
}

void Graph::pass_on(const Var& y, const Tensor& dy, const Var& x) {
  if (!is_wanted(x)) return;
  if (x.number > 0 && gradients_[x.number - 1] == nullptr)
    std::swap(gradients_[x.number - 1], gradients_[y.number - 1]);
  else
    backend_.add_scaled(gradient(x), dy, 1.0f);
}

void Graph::backward() {
  while (!tape_.empty()) {
    const auto [y, step] = std::move(tape_.back());
    tape_.pop_back();
    if (y.number == 0) {
      step({});
      continue;
    }
    if (gradients_[y.number - 1] == nullptr) continue;
    const Tensor dy = gradient(y);
    step(dy);
    void* const memory = std::exchange(gradients_[y.number - 1], nullptr);
    if (memory != nullptr) free_.emplace(dy.bytes(), memory);  // else it was passed on
  }
}

}  // namespace r1
