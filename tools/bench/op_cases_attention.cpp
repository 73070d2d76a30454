// Attention, its cache, and what DAW adds to it.
#include <cmath>

#include <fmt/format.h>

#include "tools/bench/op_case.h"

namespace r1 {

using namespace op_sizes;

namespace {

using Cases = std::vector<OpCase>;

// A filled cache of as many sequences as attend.
PagedKv paged(OpInputs& in, const PagedShape& s) {
  const std::int64_t S = s.prefill ? 1 : s.rows, pages = s.past / kPageTokens;
  const Shape page = {S * pages, s.kv_heads, kPageTokens, s.head};
  PagedKv kv{.keys = in.raw(page, s.pages),
             .values = in.raw(page, s.pages),
             .decay = {},
             .longest = {},
             .table = counting(in, S * pages).reshaped({S, pages})};
  if (s.daw) {
    kv.decay = in.raw({S * pages, s.kv_heads, kPageTokens}, DType::f32);
    kv.longest = in.raw({S * pages, s.kv_heads}, DType::f32);
  }
  OpInputs stored(in.backend());  // gone again when it has been stored
  const Tensor k = stored.floats({s.past, s.kv_heads, s.head}), v = stored.floats(k.shape);
  const Tensor A = s.daw ? stored.raw({s.past, s.kv_heads}, DType::f32) : Tensor();
  const Tensor position = counting(stored, s.past);
  for (std::int64_t i = 0; i < S; ++i)
    in.backend().kv_store(kv, k, v, A, stored.integers(s.past, [i](std::int64_t) { return i; }),
                          position);
  return kv;
}

constexpr AttentionOptions kScaled{.scale = 0.125f};  // 1 / sqrt(hd)
constexpr PagedShape kOne{.rows = 1,
                          .heads = kHeads,
                          .kv_heads = kKvHeads,
                          .head = kHead,
                          .past = kPast,
                          .prefill = true,
                          .daw = true};

void add_paged(Cases& cases, std::int64_t T, bool prefill, DType pages) {
  PagedShape s = kOne;
  s.rows = T;
  s.prefill = prefill;
  s.pages = pages;
  const std::string shape = fmt::format("{}{}x{}x{}", kind_of(s), T, kHeads, kHead);
  cases.push_back(
      {"attention_paged", shape, T, DType::f32, [s](OpInputs& in) { return paged_run(in, s); }});
}

void add_cache(Cases& cases) {
  constexpr std::int64_t T = 512;
  const std::string shape = fmt::format("{}x{}x{}", T, kKvHeads, kHead);
  cases.push_back({"kv_store", shape, T, DType::f32, [](OpInputs& in) {
                     const PagedKv kv = paged(in, kOne);
                     const Tensor k = in.floats({T, kKvHeads, kHead}), v = in.floats(k.shape);
                     const Tensor A = in.raw({T, kKvHeads}, DType::f32), at = counting(in, T);
                     const Tensor sequence = zeros(in, T);
                     OpRun run =
                         moves({k, v, A, A}, [&b = in.backend(), kv, k, v, A, sequence, at] {
                           b.kv_store(kv, k, v, A, sequence, at);
                         });
                     run.work.bytes += bytes_of({k, v}) / 2;  // what is stored is bf16
                     return run;
                   }});
  cases.push_back({"kv_load_decay", rows_of(T, kKvHeads), T, DType::f32, [](OpInputs& in) {
                     const PagedKv kv = paged(in, kOne);
                     const Tensor base = in.raw({T, kKvHeads}, DType::f32), at = counting(in, T);
                     const Tensor sequence = zeros(in, T);
                     return moves({base, base, sequence, at},
                                  [&b = in.backend(), base, kv, sequence, at] {
                                    b.kv_load_decay(base, kv, sequence, at);
                                  });
                   }});
}

// Of whole documents, with products of f32 or bf16.
void add_attention(Cases& cases, DType type) {
  constexpr std::int64_t T = 256;
  const std::string shape =
      fmt::format("{}{}x{}x{}", type == DType::bf16 ? "bf16/" : "", T, kHeads, kHead);
  const double products = 2.0 * T * (T + 1) * kHeads * kHead;
  AttentionOptions options = kScaled;
  options.products = type;
  cases.push_back({"attention", shape, T, type, [=](OpInputs& in) {
                     const Tensor q = in.floats({T, kHeads, kHead}), y = in.floats(q.shape);
                     const Tensor k = in.floats({T, kKvHeads, kHead}), v = in.floats(k.shape);
                     const Tensor start = zeros(in, T);
                     return multiplies({q, y, k, v}, type, products, [=, &b = in.backend()] {
                       b.attention(y, {}, q, k, v, {}, start, options);
                     });
                   }});
  cases.push_back({"attention_backward", shape, T, type, [=](OpInputs& in) {
                     const Tensor q = in.floats({T, kHeads, kHead}), y = in.floats(q.shape);
                     const Tensor dq = in.floats(q.shape), dy = in.floats(q.shape);
                     const Tensor k = in.floats({T, kKvHeads, kHead}), v = in.floats(k.shape);
                     const Tensor dk = in.floats(k.shape), dv = in.floats(k.shape);
                     const Tensor lse = in.floats({T, kHeads}), start = zeros(in, T);
                     Backend& b = in.backend();
                     b.attention(y, lse, q, k, v, {}, start, options);
                     return multiplies({q, y, dq, dq, dy, k, v, dk, dk, dv, dv}, type,
                                       2.5 * products,  // five products where forward has two
                                       [=, &b] {
                                         b.attention_backward(dq, dk, dv, {}, dy, y, lse, q, k, v,
                                                              {}, start, options);
                                       });
                   }});
}

void add_daw(Cases& cases) {
  constexpr std::int64_t T = 512;
  const std::string rows = rows_of(T, kKvHeads), shape = fmt::format("{}x{}x{}", T, kHeads, kHead);
  cases.push_back({"daw_decay", rows, T, DType::f32, [](OpInputs& in) {
                     const Tensor A = in.floats({T, kKvHeads}), a = in.floats(A.shape);
                     const Tensor bias = in.floats({kKvHeads}), l = in.floats({kKvHeads});
                     const Tensor newline = zeros(in, T), start = zeros(in, T);
                     return moves({A, a, newline, start},
                                  [&b = in.backend(), A, a, bias, l, newline, start] {
                                    b.daw_decay(A, a, bias, l, newline, start, {});
                                  });
                   }});
  cases.push_back({"daw_decay_backward", rows, T, DType::f32, [](OpInputs& in) {
                     const Tensor dA = in.floats({T, kKvHeads}), a = in.floats(dA.shape);
                     const Tensor da = in.floats(dA.shape), bias = in.floats({kKvHeads});
                     const Tensor l = in.floats(bias.shape), db = in.floats(bias.shape);
                     const Tensor dl = in.floats(bias.shape);
                     const Tensor newline = zeros(in, T), start = zeros(in, T);
                     return moves({dA, a, da, da, newline, start},
                                  [&b = in.backend(), da, db, dl, dA, a, bias, l, newline, start] {
                                    b.daw_decay_backward(da, db, dl, dA, a, bias, l, newline,
                                                         start);
                                  });
                   }});
  cases.push_back(
      {"daw_gain", shape, T, DType::f32, [](OpInputs& in) {
         const Tensor q = in.floats({T, kHeads, kHead}), y = in.floats(q.shape);
         const Tensor a = in.floats({T, kKvHeads}), bias = in.floats({kKvHeads});
         return moves({q, y, a}, [&b = in.backend(), y, q, a, bias] { b.daw_gain(y, q, a, bias); });
       }});
  cases.push_back({"daw_gain_backward", shape, T, DType::f32, [](OpInputs& in) {
                     const Tensor q = in.floats({T, kHeads, kHead}), dq = in.floats(q.shape);
                     const Tensor dy = in.floats(q.shape), a = in.floats({T, kKvHeads});
                     const Tensor da = in.floats(a.shape), bias = in.floats({kKvHeads});
                     const Tensor db = in.floats({kKvHeads});
                     return moves({q, dq, dq, dy, a, da, da},
                                  [&b = in.backend(), dq, da, db, dy, q, a, bias] {
                                    b.daw_gain_backward(dq, da, db, dy, q, a, bias);
                                  });
                   }});
}

}  // namespace

std::string kind_of(const PagedShape& s) {
  const std::string kind = s.prefill ? "prefill/" : "decode/";
  return s.pages == PagedShape().pages ? kind : fmt::format("{}{}/", kind, to_string(s.pages));
}

OpRun paged_run(OpInputs& in, const PagedShape& s) {
  const PagedKv kv = paged(in, s);
  const Tensor q = in.floats({s.rows, s.heads, s.head}), y = in.raw(q.shape, DType::f32);
  const Tensor A = s.daw ? in.raw({s.rows, s.kv_heads}, DType::f32) : Tensor();
  const auto last = [s](std::int64_t t) { return s.prefill ? s.past - s.rows + t : s.past - 1; };
  const Tensor position = in.integers(s.rows, last);
  const Tensor sequence = s.prefill ? zeros(in, s.rows) : counting(in, s.rows);
  double seen = 0;
  for (std::int64_t t = 0; t < s.rows; ++t) seen += static_cast<double>(last(t) + 1);
  const AttentionOptions options{.scale = 1 / std::sqrt(static_cast<float>(s.head)),
                                 .longest_run = s.prefill ? s.rows : 1};
  return multiplies({kv.keys, kv.values, q, y},
                    past_products(s.pages, in.backend().sixteen_bit_type()),
                    4.0 * seen * static_cast<double>(s.heads * s.head),
                    [&b = in.backend(), y, q, kv, A, sequence, position, options] {
                      b.attention_paged(y, q, kv, A, sequence, position, options);
                    });
}

void add_attention_cases(std::vector<OpCase>& cases) {
  for (const DType type : {DType::f32, DType::bf16}) add_attention(cases, type);
  for (const DType pages : {kOne.pages, DType::f16, DType::q8_0}) {
    for (const std::int64_t T : {1, 16}) add_paged(cases, T, false, pages);
    add_paged(cases, 512, true, pages);
  }
  add_cache(cases);
  add_daw(cases);
}

}  // namespace r1
