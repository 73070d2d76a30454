// Every operation of the backend, at the sizes of a decoder of 1.1 billion weights. Bytes are those
// of all that an operation reads and writes, once.

#include <array>

#include <fmt/format.h>

#include "tools/bench/op_case.h"

namespace r1 {

using namespace op_sizes;

namespace {

using Cases = std::vector<OpCase>;

void add_linear(Cases& cases, std::int64_t T, DType type) {
  cases.push_back({"linear", fmt::format("{}/{}x{}x{}", to_string(type), T, kWidth, kInner), T,
                   type,
                   [T, type](OpInputs& in) { return linear_run(in, T, kWidth, kInner, type); }});
}

// What a step of training in 16 and 8 bits is made of: rounding, and products that add.
void add_rounded(Cases& cases) {
  constexpr std::int64_t T = 512;
  for (const DType type : {DType::bf16, DType::f8_e4m3}) {
    const bool eight = is_float8(type);
    cases.push_back({eight ? "round_to_fp8" : "round", rows_of(T, kInner), T, type,
                     [eight, type](OpInputs& in) {
                       const Tensor x = in.floats({T, kInner}), y = in.raw(x.shape, type);
                       const Tensor turned = in.raw({kInner, T}, type), scale = in.floats({1});
                       Backend& b = in.backend();
                       if (!eight) return moves({x, y}, [&b, y, x] { b.round(y, x); });
                       return moves({x, x, y, turned}, [&b, y, turned, scale, x] {
                         b.round_to_fp8(y, turned, scale, x);
                       });
                     }});
    cases.push_back(
        {"multiply", fmt::format("{}/{}x{}x{}", to_string(type), T, kWidth, kInner), T, type,
         [eight, type](OpInputs& in) {
           const Tensor x = in.values({T, kWidth}, type), w = in.values({kInner, kWidth}, type);
           const Tensor y = in.floats({T, kInner}), scale = eight ? in.floats({1}) : Tensor{};
           return multiplies({w, x, y}, type, 2.0 * static_cast<double>(T * kWidth * kInner),
                             [&b = in.backend(), y, x, w, scale] {
                               b.multiply(y, {x, true, scale}, {w, true, scale}, {});
                             });
         }});
  }
}

// Both halves of a gated layer.
void add_linear_all(Cases& cases, std::int64_t T, DType type) {
  cases.push_back(
      {"linear_all", fmt::format("{}/{}x{}x2x{}", to_string(type), T, kWidth, kInner), T, type,
       [T, type](OpInputs& in) {
         const Tensor x = in.floats({T, kWidth});
         const Tensor gate = in.weight(kInner, kWidth, type), y = in.floats({T, kInner});
         const Tensor up = in.weight(kInner, kWidth, type), z = in.floats({T, kInner});
         return multiplies({gate, up, x, y, z}, type,
                           4.0 * static_cast<double>(T * kWidth * kInner),
                           [&b = in.backend(), x,
                            both = std::array<Projection, 2>{{{y, gate, {}}, {z, up, {}}}}] {
                             b.linear_all(x, both);
                           });
       }});
}

void add_products(Cases& cases) {
  for (const std::int64_t T : {1, 16, 512})
    for (const DType type : {DType::f32, DType::bf16, DType::q8_0, DType::q4_0, DType::q4_k,
                             DType::q5_k, DType::q6_k, DType::iq4_nl, DType::iq4_xs})
      add_linear(cases, T, type);
  for (const std::int64_t T : {1, 512}) add_linear_all(cases, T, DType::q4_0);
  add_rounded(cases);
  constexpr std::int64_t T = 64;
  cases.push_back({"linear_backward", fmt::format("{}x{}x{}", T, kWidth, kInner), T, DType::f32,
                   [](OpInputs& in) {
                     const Tensor w = in.floats({kInner, kWidth}), dw = in.floats({kInner, kWidth});
                     const Tensor x = in.floats({T, kWidth}), dx = in.floats({T, kWidth});
                     const Tensor dy = in.floats({T, kInner});
                     return multiplies({w, dw, dw, x, dx, dx, dy}, DType::f32,
                                       4.0 * static_cast<double>(T * kWidth * kInner),
                                       [&b = in.backend(), w, dw, x, dx, dy] {
                                         b.linear_backward(dx, dw, dy, x, w);
                                       });
                   }});
  cases.push_back(
      {"add_bias", rows_of(512, kWidth), 512, DType::f32, [](OpInputs& in) {
         const Tensor x = in.floats({512, kWidth}), y = in.floats({512, kWidth});
         const Tensor bias = in.floats({kWidth});
         return moves({x, y, bias}, [&b = in.backend(), y, x, bias] { b.add_bias(y, x, bias); });
       }});
  cases.push_back({"add_bias_backward", rows_of(512, kWidth), 512, DType::f32, [](OpInputs& in) {
                     const Tensor dx = in.floats({512, kWidth}), dy = in.floats({512, kWidth});
                     const Tensor db = in.floats({kWidth});
                     return moves({dx, dx, dy, db, db}, [&b = in.backend(), dx, db, dy] {
                       b.add_bias_backward(dx, db, dy);
                     });
                   }});
  cases.push_back({"scale_columns", rows_of(512, kWidth), 512, DType::f32, [](OpInputs& in) {
                     const Tensor x = in.floats({512, kWidth}), y = in.floats({512, kWidth});
                     const Tensor m = in.floats({kWidth}), d = in.floats({kWidth});
                     return moves({x, y, m, d},
                                  [&b = in.backend(), y, x, m, d] { b.scale_columns(y, x, m, d); });
                   }});
  cases.push_back(
      {"scale_columns_backward", rows_of(512, kWidth), 512, DType::f32, [](OpInputs& in) {
         const Tensor dx = in.floats({512, kWidth}), dy = in.floats({512, kWidth});
         const Tensor x = in.floats({512, kWidth}), dm = in.floats({kWidth});
         const Tensor m = in.floats({kWidth}), d = in.floats({kWidth});
         return moves({dx, dx, dy, x, dm, dm, m, d}, [&b = in.backend(), dx, dm, dy, x, m, d] {
           b.scale_columns_backward(dx, dm, dy, x, m, d);
         });
       }});
}

void add_embedding(Cases& cases) {
  const auto ids = [](std::int64_t t) { return t * 7919 % kVocab; };
  for (const DType type : {DType::bf16, DType::q8_0, DType::q4_k})
    cases.push_back(
        {"embedding", fmt::format("{}/512x{}", to_string(type), kWidth), 512, type,
         [ids, type](OpInputs& in) {
           const Tensor w = in.weight(kVocab, kWidth, type);
           const Tensor y = in.raw({512, kWidth}, DType::f32);
           const Tensor at = in.integers(512, ids);
           OpRun run = moves({y, at}, [&b = in.backend(), y, w, at] { b.embedding(y, w, at); });
           run.work.bytes += static_cast<double>(w.bytes()) * 512 / kVocab;
           return run;
         }});
  const auto backward = [](const char* op, auto call) {
    return OpCase{op, rows_of(512, kWidth), 512, DType::f32, [call](OpInputs& in) {
                    const Tensor dw = in.floats({4096, kWidth}), dy = in.floats({512, kWidth});
                    const Tensor at = in.integers(512, [](std::int64_t t) { return t * 7 % 4096; });
                    return moves({dy, dy, dy, at},
                                 [&b = in.backend(), dw, dy, at, call] { (b.*call)(dw, dy, at); });
                  }};
  };
  cases.push_back(backward("embedding_backward", &Backend::embedding_backward));
  cases.push_back(backward("gather_rows_backward", &Backend::gather_rows_backward));
  cases.push_back(
      {"gather_rows", rows_of(512, kWidth), 512, DType::f32, [](OpInputs& in) {
         const Tensor x = in.floats({4096, kWidth}), y = in.floats({512, kWidth});
         const Tensor at = in.integers(512, [](std::int64_t t) { return t * 7 % 4096; });
         return moves({y, y, at}, [&b = in.backend(), y, x, at] { b.gather_rows(y, x, at); });
       }});
}

void add_by_row(Cases& cases) {
  constexpr std::int64_t T = 512;
  cases.push_back(
      {"rms_norm", rows_of(T, kWidth), T, DType::f32, [](OpInputs& in) {
         const Tensor x = in.floats({T, kWidth}), y = in.floats({T, kWidth});
         const Tensor w = in.floats({kWidth});
         return moves({x, y, w}, [&b = in.backend(), y, x, w] { b.rms_norm(y, {}, x, w, 1e-6f); });
       }});
  cases.push_back({"rms_norm_backward", rows_of(T, kWidth), T, DType::f32, [](OpInputs& in) {
                     const Tensor x = in.floats({T, kWidth}), dy = in.floats({T, kWidth});
                     const Tensor dx = in.floats({T, kWidth}), rstd = in.floats({T});
                     const Tensor w = in.floats({kWidth}), dw = in.floats({kWidth});
                     return moves({x, dy, dx, dx, rstd, w, dw, dw},
                                  [&b = in.backend(), dx, dw, dy, x, w, rstd] {
                                    b.rms_norm_backward(dx, dw, dy, x, w, rstd);
                                  });
                   }});
  cases.push_back(
      {"swiglu", rows_of(T, kInner), T, DType::f32, [](OpInputs& in) {
         const Tensor gate = in.floats({T, kInner}), up = in.floats({T, kInner});
         const Tensor y = in.floats({T, kInner});
         return moves({gate, up, y}, [&b = in.backend(), y, gate, up] { b.swiglu(y, gate, up); });
       }});
  cases.push_back({"swiglu_backward", rows_of(T, kInner), T, DType::f32, [](OpInputs& in) {
                     const Tensor gate = in.floats({T, kInner}), up = in.floats({T, kInner});
                     const Tensor dg = in.floats({T, kInner}), du = in.floats({T, kInner});
                     const Tensor dy = in.floats({T, kInner});
                     return moves({gate, up, dg, dg, du, du, dy},
                                  [&b = in.backend(), dg, du, dy, gate, up] {
                                    b.swiglu_backward(dg, du, dy, gate, up);
                                  });
                   }});
  cases.push_back({"gelu", rows_of(T, kInner), T, DType::f32, [](OpInputs& in) {
                     const Tensor x = in.floats({T, kInner}), y = in.floats({T, kInner});
                     return moves({x, y}, [&b = in.backend(), y, x] { b.gelu(y, x); });
                   }});
  cases.push_back({"gelu_backward", rows_of(T, kInner), T, DType::f32, [](OpInputs& in) {
                     const Tensor x = in.floats({T, kInner}), dx = in.floats({T, kInner});
                     const Tensor dy = in.floats({T, kInner});
                     return moves({x, dy, dx, dx},
                                  [&b = in.backend(), dx, dy, x] { b.gelu_backward(dx, dy, x); });
                   }});
  cases.push_back({"dropout", rows_of(T, kWidth), T, DType::f32, [](OpInputs& in) {
                     const Tensor x = in.floats({T, kWidth}), y = in.floats({T, kWidth});
                     return moves({x, y}, [&b = in.backend(), y, x] { b.dropout(y, x, {0.1f}); });
                   }});
  cases.push_back({"dropout_backward", rows_of(T, kWidth), T, DType::f32, [](OpInputs& in) {
                     const Tensor dx = in.floats({T, kWidth}), dy = in.floats({T, kWidth});
                     return moves({dx, dx, dy}, [&b = in.backend(), dx, dy] {
                       b.dropout_backward(dx, dy, {0.1f});
                     });
                   }});
  cases.push_back({"add", rows_of(T, kWidth), T, DType::f32, [](OpInputs& in) {
                     const Tensor x = in.floats({T, kWidth}), z = in.floats({T, kWidth});
                     const Tensor y = in.floats({T, kWidth});
                     return moves({x, y, z}, [&b = in.backend(), y, x, z] { b.add(y, x, z); });
                   }});
  cases.push_back(
      {"add_scaled", rows_of(T, kWidth), T, DType::f32, [](OpInputs& in) {
         const Tensor x = in.floats({T, kWidth}), y = in.floats({T, kWidth});
         return moves({x, y, y}, [&b = in.backend(), y, x] { b.add_scaled(y, x, 1e-6f); });
       }});
  cases.push_back(
      {"blend", rows_of(T, kWidth), T, DType::f32, [](OpInputs& in) {
         const Tensor x = in.floats({T, kWidth}), z = in.floats({T, kWidth});
         const Tensor y = in.floats({T, kWidth});
         return moves({x, y, z}, [&b = in.backend(), y, x, z] { b.blend(y, 0.5f, x, 0.5f, z); });
       }});
}

constexpr std::int64_t kTurned = 512;  // T of rope

void add_rope(Cases& cases) {
  const std::string shape = fmt::format("{}x{}x{}", kTurned, kHeads, kHead);
  cases.push_back(
      {"rope_table", rows_of(kTurned, kHead), kTurned, DType::f32, [](OpInputs& in) {
         const Tensor table = in.floats({kTurned, kHead / 2, 2}), at = counting(in, kTurned);
         const Tensor frequencies = in.floats({kHead / 2});
         return moves({table, at, frequencies}, [&b = in.backend(), table, at, frequencies] {
           b.rope_table(table, at, frequencies, 1.0f);
         });
       }});
  const auto turn = [&](const char* op, auto call, int passes) {
    cases.push_back({op, shape, kTurned, DType::f32, [call, passes](OpInputs& in) {
                       const Tensor table = in.floats({kTurned, kHead / 2, 2});
                       const Tensor x = in.floats({kTurned, kHeads, kHead});
                       const Tensor y = in.floats({kTurned, kHeads, kHead});
                       OpRun run = moves({table}, [&b = in.backend(), y, x, table, call] {
                         (b.*call)(y, x, table, false);
                       });
                       run.work.bytes += passes * bytes_of({x});
                       return run;
                     }});
  };
  turn("rope", &Backend::rope, 2);
  turn("rope_backward", &Backend::rope_backward, 3);
}

// Of 16 sequences: the most likely token of each, and what sampling looks at.
void add_choosing(Cases& cases) {
  constexpr std::int64_t T = 16;
  for (const std::int64_t K : {std::int64_t{1}, kMostLeaders})
    cases.push_back(
        {"leaders", fmt::format("{}of{}", K, kVocab), T, DType::f32, [K](OpInputs& in) {
           const Tensor logits = in.floats({T, kVocab}), temperature = in.floats({T});
           const Tensor ids = in.raw({T, K}, DType::i32), values = in.raw({T, K}, DType::f32);
           const Tensor sums = K == 1 ? Tensor() : in.raw({T}, DType::f32);
           return moves({logits, values},
                        [&b = in.backend(), ids, values, sums, logits, temperature] {
                          b.leaders(ids, values, sums, logits, temperature, kVocab);
                        });
         }});
}

void add_loss(Cases& cases) {
  constexpr std::int64_t T = 64;
  const auto targets = [](std::int64_t t) { return t * 31 % kVocab; };
  cases.push_back({"cross_entropy", rows_of(T, kVocab), T, DType::f32, [targets](OpInputs& in) {
                     const Tensor logits = in.floats({T, kVocab}), loss = in.floats({T});
                     const Tensor at = in.integers(T, targets);
                     return moves({logits, loss, at}, [&b = in.backend(), loss, logits, at] {
                       b.cross_entropy(loss, logits, at);
                     });
                   }});
  cases.push_back(
      {"cross_entropy_backward", rows_of(T, kVocab), T, DType::f32, [targets](OpInputs& in) {
         const Tensor logits = in.floats({T, kVocab}), dlogits = in.floats({T, kVocab});
         const Tensor dloss = in.floats({T}), at = in.integers(T, targets);
         return moves({logits, dlogits, dlogits}, [&b = in.backend(), dlogits, dloss, logits, at] {
           b.cross_entropy_backward(dlogits, dloss, logits, at);
         });
       }});
  constexpr std::int64_t kWeights = kWidth * kWidth;
  cases.push_back({"adamw", rows_of(kWidth, kWidth), kWidth, DType::f32, [](OpInputs& in) {
                     const Tensor w = in.floats({kWeights}), g = in.floats({kWeights});
                     const Tensor m = in.raw({kWeights}, DType::f32);
                     const Tensor v = in.raw({kWeights}, DType::f32);
                     return moves({w, w, m, m, v, v, g},
                                  [&b = in.backend(), w, m, v, g] { b.adamw(w, {m}, {v}, g, {}); });
                   }});
  cases.push_back({"sum_squares", rows_of(kWidth, kWidth), kWidth, DType::f32, [](OpInputs& in) {
                     const Tensor x = in.floats({kWeights}), out = in.raw({1}, DType::f32);
                     return moves({x}, [&b = in.backend(), out, x] { b.sum_squares(out, x); });
                   }});
}

Cases all_cases() {
  Cases cases;
  add_products(cases);
  add_embedding(cases);
  add_by_row(cases);
  add_rope(cases);
  add_attention_cases(cases);
  add_choosing(cases);
  add_loss(cases);
  add_model_cases(cases);
  return cases;
}

}  // namespace

OpRun linear_run(OpInputs& in, std::int64_t T, std::int64_t K, std::int64_t N, DType type) {
  const Tensor w = in.weight(N, K, type);
  const Tensor x = in.floats({T, K}), y = in.raw({T, N}, DType::f32);
  return multiplies({w, x, y}, type, 2.0 * static_cast<double>(T * K * N),
                    [&b = in.backend(), y, x, w] { b.linear(y, x, w, {}); });
}

const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase> cases = all_cases();
  return cases;
}

}  // namespace r1
