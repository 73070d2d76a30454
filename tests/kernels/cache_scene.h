#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "tests/kernels/attention_scene.h"

namespace r1::test {

// The documents of a scene as sequences of a cache.

// Of each row: which document, and where in it.
struct Places {
  Ints sequence, position;
};

inline Places places(const Scene& s, const Ints& rows) {
  Places all;
  for (const std::int32_t r : rows) {
    const auto end = s.start.begin() + r + 1;
    Ints begun(s.start.begin(), end);
    begun.erase(std::unique(begun.begin(), begun.end()), begun.end());
    all.sequence.push_back(static_cast<std::int32_t>(begun.size()) - 1);
    all.position.push_back(r - begun.back());
  }
  return all;
}

// The most rows in a row that are successive positions of one sequence.
inline std::int64_t longest_run(const Places& at) {
  std::int64_t longest = 1, run = 1;
  for (std::size_t i = 1; i < at.position.size(); ++i) {
    const bool goes_on =
        at.sequence[i] == at.sequence[i - 1] && at.position[i] == at.position[i - 1] + 1;
    run = goes_on ? run + 1 : 1;
    longest = std::max(longest, run);
  }
  return longest;
}

inline Ints rows_from(std::int32_t first, std::int64_t count) {
  Ints rows(static_cast<std::size_t>(count));
  std::iota(rows.begin(), rows.end(), first);
  return rows;
}
inline Ints all_rows(const Scene& s) { return rows_from(0, s.T); }

// Pages out of order, and some of nobody's. All NaN: whoever reads a place nobody stored is found
// out.
inline PagedKv empty_cache(Rig& rig, const Scene& s, DType dtype) {
  const Places at = places(s, all_rows(s));
  const std::int64_t sequences = at.sequence.back() + 1;
  const std::int64_t each =
      *std::max_element(at.position.begin(), at.position.end()) / kPageTokens + 1;
  std::int64_t count = sequences * each + 2;
  if (count % 5 == 0) ++count;
  Ints table;
  for (std::int64_t i = 0; i < sequences * each; ++i)
    table.push_back(static_cast<std::int32_t>((5 * i + 3) % count));
  const auto pages = [&] {
    const Shape shape{count, s.KV, kPageTokens, s.hd};
    if (dtype == DType::f32) return rig.unwritten(shape);
    const Tensor t = rig.arena().take(shape, dtype);  // a NaN in bf16 and f16, the scales of q8_0
    rig->copy_from_host(t, std::vector<std::uint16_t>(t.bytes() / 2, 0x7fc0).data());
    return t;
  };
  const bool daw = !s.A.empty();
  return {pages(), pages(), daw ? rig.unwritten({count, s.KV, kPageTokens}) : Tensor{},
          daw ? rig.unwritten({count, s.KV}) : Tensor{},
          rig.put(table).reshaped({sequences, each})};
}

inline Floats pick(const Floats& all, std::int64_t width, const Ints& rows) {
  Floats some;
  for (const std::int32_t r : rows)
    some.insert(some.end(), all.begin() + r * width, all.begin() + (r + 1) * width);
  return some;
}

// Some rows of a scene as one step over the cache sees them.
struct Step {
  std::int64_t T;
  Tensor q, k, v, A, sequence, position;
  std::int64_t longest_run;
};

inline Step step(Rig& rig, const Scene& s, const Ints& rows) {
  const auto T = static_cast<std::int64_t>(rows.size());
  const Places at = places(s, rows);
  return {T,
          rig.put({T, s.H, s.hd}, pick(s.q, s.H * s.hd, rows)),
          rig.put({T, s.KV, s.hd}, pick(s.k, s.KV * s.hd, rows)),
          rig.put({T, s.KV, s.hd}, pick(s.v, s.KV * s.hd, rows)),
          s.A.empty() ? Tensor{} : rig.put({T, s.KV}, pick(s.A, s.KV, rows)),
          rig.put(at.sequence),
          rig.put(at.position),
          longest_run(at)};
}

inline void store(Rig& rig, const PagedKv& kv, const Step& in) {
  rig->kv_store(kv, in.k, in.v, in.A, in.sequence, in.position);
}

inline Floats attend_stored(Rig& rig, const PagedKv& kv, const Scene& s, const Step& in) {
  AttentionOptions options = s.options;
  options.longest_run = in.longest_run;
  const Tensor y = rig.unwritten({in.T, s.H, s.hd});
  rig->attention_paged(y, in.q, kv, in.A, in.sequence, in.position, options);
  return rig.get(y);
}

inline Floats store_and_attend(Rig& rig, const PagedKv& kv, const Scene& s, const Ints& rows) {
  const Step in = step(rig, s, rows);
  store(rig, kv, in);
  return attend_stored(rig, kv, s, in);
}

// The types of pages that are tried with heads this wide.
inline std::vector<DType> page_types(std::int64_t hd) {
  std::vector<DType> types = {DType::f32};
  if (hd % 2 == 0) types.push_back(DType::bf16);
  if (hd <= 64) types.push_back(DType::f16);  // it goes the way of bf16: some widths will do
  if (hd % block_elements(DType::q8_0) == 0) types.push_back(DType::q8_0);
  return types;
}

// k and v as a cache of this type holds them, and q as it is taken with such a cache where products
// are of 16 bits.
inline Scene as_stored(Scene s, DType dtype) {
  const auto round = [](Floats& values, DType type) {
    const Shape shape{static_cast<std::int64_t>(values.size())};
    std::vector<std::byte> stored(Tensor{nullptr, shape, type}.bytes());
    pack(stored.data(), values, type);
    unpack(values, stored.data(), type);
  };
  round(s.k, dtype);
  round(s.v, dtype);
  round(s.q, dtype == DType::q8_0 ? DType::f16 : dtype);
  return s;
}

inline Floats whole_documents(const Scene& s) {
  Rig ref({"ref"});
  const Tensor y = ref.unwritten({s.T, s.H, s.hd});
  ref->attention(y, {}, ref.put({s.T, s.H, s.hd}, s.q), ref.put({s.T, s.KV, s.hd}, s.k),
                 ref.put({s.T, s.KV, s.hd}, s.v),
                 s.A.empty() ? Tensor{} : ref.put({s.T, s.KV}, s.A), ref.put(s.start), s.options);
  return ref.get(y);
}

// What products of 16 bits add: a weight of the softmax is rounded to the 16 bits of the pages, or
// f16 for q8_0, before it is summed, alone and times a value: the mean of values up to 1 moves by
// no more than twice that. Weights too small for f16 are off by half its least step. Blocks of q8_0
// are rounded to f16 when they are widened: values by a share, scores by a share of the largest.
inline double sixteen_bit_error(const Scene& s, DType dtype) {
  if (dtype == DType::f32) return 0.0;
  if (dtype == DType::bf16) return 2.0 * kBf16 / (1.0 - kBf16);
  const double weights = 2.0 * kF16 / (1.0 - kF16) + 2.0 * static_cast<double>(s.T) * 0x1p-25;
  return weights + (dtype == DType::q8_0 ? kF16 * (1.0 + 2.0 * largest_score(s)) : 0.0);
}

// What whole numbers of 16 bits add on the CPU, where they stand for q and for the weights of a
// page: each is off by half of a step, the largest of them being 2^15 - 1 steps. Of q, that moves a
// score by 2^-16 of the largest; of the weights, a page's 64 move its sum by 64 times 2^-16 of the
// page's largest weight, which is less than the page's share of the whole.
inline double whole_number_error(const Scene& s, DType dtype) {
  constexpr double kHalfStep = 0.5 / 32767;
  return dtype == DType::q8_0 ? kHalfStep * (2.0 * largest_score(s) + kPageTokens) : 0.0;
}

// What sums of up to 64 halves add, where the CPU makes them. Each of n additions is off by u /
// sqrt 3 of what has been summed, which of random terms is sqrt j of them after j: n u / sqrt 6 of
// one term in all. Terms of q and k on [-1, 1] are 1/3, so that scores of any hd are off by 1.1 u,
// and the mean by twice that; six times as much is next to never exceeded. Weighted values add 1.4
// u so, roundings of q and the weights 2 u.
inline double half_sum_error(const Candidate& candidate, DType dtype) {
  return candidate.name == "cpu avx512_fp16" && dtype == DType::f16 ? 17.0 * kF16 : 0.0;
}

// As mean_error, over pages of this type.
inline double paged_error(const Candidate& candidate, const Scene& s, DType dtype) {
  const bool cuda = candidate.name.starts_with("cuda"), cpu = candidate.name.starts_with("cpu");
  const double more = cuda || (cpu && dtype == DType::bf16) ? sixteen_bit_error(s, dtype)
                      : cpu                                 ? whole_number_error(s, dtype)
                                                            : 0.0;
  return mean_error(s, 1.0) + more + half_sum_error(candidate, dtype);
}

}  // namespace r1::test
