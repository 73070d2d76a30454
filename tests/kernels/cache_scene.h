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
    const Tensor t = rig.arena().take(shape, dtype);
    rig->copy_from_host(t, std::vector<std::uint16_t>(test::count(shape), 0x7fc0).data());
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

// k and v as a cache of this type holds them, and q as tensor cores take it with such a cache.
inline Scene as_stored(Scene s, DType dtype) {
  if (dtype == DType::bf16)
    for (Floats* values : {&s.q, &s.k, &s.v})
      for (float& x : *values) x = bf16_to_f32(f32_to_bf16(x));
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

// As mean_error. Where tensor cores take pages of bf16, a weight of the softmax is rounded to bf16
// before it is summed, alone and times a value: the mean of values up to 1 moves by no more than
// twice that.
inline double paged_error(const Candidate& candidate, const Scene& s, DType dtype) {
  const bool rounds = dtype == DType::bf16 && candidate.name.starts_with("cuda");
  return mean_error(s, 1.0) + (rounds ? 2.0 * kBf16 / (1.0 - kBf16) : 0.0);
}

}  // namespace r1::test
