// Products and attention at the sizes of a decoder of 7 billion weights (Mistral 7B: D 4096, K
// 14336, 32 heads of 128 over 8 key heads), and of long pasts: what a card is held to.
#include <fmt/format.h>

#include "tools/bench/op_case.h"

namespace r1 {
namespace {

using Cases = std::vector<OpCase>;

constexpr std::int64_t kWidth = 4096, kInner = 14336, kHeads = 32, kKvHeads = 8, kHead = 128;
constexpr std::int64_t kPrompt = 8192;

void add_linear(Cases& cases, DType type, std::int64_t T, std::int64_t K, std::int64_t N) {
  cases.push_back({"linear", fmt::format("{}/{}x{}x{}", to_string(type), T, K, N), T, type,
                   [=](OpInputs& in) { return linear_run(in, T, K, N, type); }, true});
}

void add_paged(Cases& cases, const PagedShape& s) {
  const std::string shape =
      fmt::format("{}{}x{}x{}x{}@{}", kind_of(s), s.rows, s.heads, s.kv_heads, s.head, s.past);
  cases.push_back({"attention_paged", shape, s.rows, DType::f32,
                   [s](OpInputs& in) { return paged_run(in, s); }, true});
}

PagedShape prefill(std::int64_t rows, std::int64_t kv_heads) {
  return {rows, kHeads, kv_heads, kHead, rows, true};
}
PagedShape decode(std::int64_t sequences, std::int64_t past, DType pages = PagedShape().pages) {
  return {sequences, kHeads, kKvHeads, kHead, past, false, false, pages};
}

}  // namespace

void add_model_cases(std::vector<OpCase>& cases) {
  for (const std::int64_t T : {std::int64_t{512}, kPrompt}) {
    add_linear(cases, DType::bf16, T, kWidth, kWidth);
    add_linear(cases, DType::bf16, T, kWidth, kInner);
    add_linear(cases, DType::bf16, T, kInner, kWidth);
  }
  add_linear(cases, DType::bf16, kPrompt, kPrompt, kPrompt);
  for (const DType type : {DType::bf16, DType::q8_0, DType::q4_0, DType::q4_k, DType::q5_k,
                           DType::q6_k, DType::iq4_nl, DType::iq4_xs})
    for (const std::int64_t T : {1, 64}) add_linear(cases, type, T, kWidth, kInner);
  for (const std::int64_t rows : {std::int64_t{2048}, kPrompt})
    for (const std::int64_t kv_heads : {kHeads, kKvHeads})
      add_paged(cases, prefill(rows, kv_heads));
  for (const std::int64_t past : {4096, 8192, 16384, 32768}) add_paged(cases, decode(1, past));
  for (const std::int64_t sequences : {16, 64}) add_paged(cases, decode(sequences, 4096));
  for (const DType pages : {DType::f16, DType::q8_0}) add_paged(cases, decode(1, 32768, pages));
}

}  // namespace r1
