#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "tests/kernels/cache_scene.h"
#include "tests/support/kernel_test.h"

namespace r1 {
namespace {

using test::all_rows;
using test::as_stored;
using test::attend_stored;
using test::documents;
using test::empty_cache;
using test::Floats;
using test::Ints;
using test::mean_error;
using test::page_types;
using test::paged_error;
using test::pick;
using test::Rig;
using test::rows_from;
using test::scene;
using test::Scene;
using test::Step;
using test::step;
using test::store_and_attend;
using test::whole_documents;

Scene two_sequences(std::int64_t H, std::int64_t KV, std::int64_t hd, bool daw) {
  return scene(documents({150, 70}), H, KV, hd, daw);
}

TEST(Cache, AttentionOverPagesIsAttentionOverWholeDocuments) {
  for (const bool daw : {false, true})
    for (const Scene& plain : {two_sequences(1, 1, 8, daw), two_sequences(4, 2, 33, daw),
                               two_sequences(4, 2, 34, daw), two_sequences(6, 2, 64, daw),
                               two_sequences(3, 1, 128, daw), two_sequences(9, 1, 160, daw)})
      for (const DType dtype : page_types(plain.hd))
        for (const std::int64_t window : {0, 1, 64, 65, 100}) {
          Scene s = as_stored(plain, dtype);
          s.options.window = window;
          const Floats want = whole_documents(s);
          for (const test::Candidate& candidate : test::backends_and_ref()) {
            if (!candidate.fast() && window != (daw ? 65 : 0)) continue;
            Rig rig(candidate);
            const PagedKv kv = empty_cache(rig, s, dtype);
            EXPECT_TRUE(test::close(store_and_attend(rig, kv, s, all_rows(s)), want,
                                    paged_error(candidate, s, dtype)))
                << candidate.name << " " << to_string(s) << " " << to_string(dtype);
          }
        }
}

// Chunks, single tokens, both sequences in one step and in any order: the same bits.
TEST(Cache, StepByStepIsAllAtOnce) {
  for (const test::Candidate& candidate : test::backends_and_ref())
    for (const DType dtype : page_types(32))
      for (const bool daw : {false, true}) {
        const Scene s = two_sequences(4, 2, dtype == DType::q8_0 ? 32 : 24, daw);
        Rig rig(candidate);
        const PagedKv at_once = empty_cache(rig, s, dtype), stepwise = empty_cache(rig, s, dtype);
        const Floats want = store_and_attend(rig, at_once, s, all_rows(s));
        std::vector<Ints> steps = {rows_from(0, 100)};
        for (std::int32_t t = 0; t < 70; ++t)  // row 100 + t of the first, 150 + t of the second
          steps.push_back(t < 50 ? Ints{150 + t, 100 + t} : Ints{150 + t});
        for (const Ints& rows : steps) {
          const Floats got = store_and_attend(rig, stepwise, s, rows);
          const Floats then = pick(want, s.H * s.hd, rows);
          if (candidate.exact())
            ASSERT_EQ(got, then) << candidate.name << ", row " << rows[0];
          else
            ASSERT_TRUE(test::close(got, then, 2.0 * paged_error(candidate, s, dtype)));
        }
      }
}

// A step of one token of each sequence deals out heads, as many together as there is work for
// threads.
TEST(Cache, ATokenOfEachSequenceSeesTheSameOnAnyNumberOfThreads) {
  const Scene s = scene(documents({150, 70, 90}), 10, 5, 32, true);
  const Ints newest = {149, 219, 309};
  for (test::Candidate candidate : test::backends_and_ref())
    for (const int threads : {1, 2, 3, 4, 7, 16}) {
      if (threads > 1 && !candidate.name.starts_with("cpu")) break;
      candidate.threads = threads;
      Rig rig(candidate);
      const PagedKv kv = empty_cache(rig, s, DType::f32);
      const Floats want = pick(store_and_attend(rig, kv, s, all_rows(s)), s.H * s.hd, newest);
      const Floats got = attend_stored(rig, kv, s, step(rig, s, newest));
      if (candidate.exact())
        EXPECT_EQ(got, want) << candidate.name << ", threads: " << threads;
      else
        EXPECT_TRUE(test::close(got, want, 2.0 * paged_error(candidate, s, DType::f32)));
    }
}

// Every element of every page, those that nobody wrote included; in any order within the page of a
// head, which is the backend's own matter.
TEST(Cache, StoredPagesHoldWhatThoseOfRefHold) {
  for (const DType dtype : page_types(32)) {
    const bool bytes = dtype == DType::q8_0;  // what lies in any order
    const Scene s = two_sequences(2, 2, bytes ? 96 : 18, true);
    const auto pages = [&](const test::Candidate& candidate) {
      Rig rig(candidate);
      const PagedKv kv = empty_cache(rig, s, dtype);
      const Step in = step(rig, s, all_rows(s));
      rig->kv_store(kv, in.k, in.v, in.A, in.sequence, in.position);
      std::vector<std::vector<std::uint16_t>> sorted;
      for (const Tensor& t : {kv.keys, kv.values, kv.decay}) {
        std::vector<std::uint8_t> raw(t.bytes());
        rig->copy_to_host(raw.data(), t);
        std::vector<std::uint16_t> all(raw.begin(), raw.end());
        if (!bytes) {
          all.resize(raw.size() / 2);
          std::memcpy(all.data(), raw.data(), raw.size());
        }
        const auto page = static_cast<std::ptrdiff_t>(all.size()) / (kv.keys.shape[0] * s.KV);
        for (auto begin = all.begin(); begin != all.end(); begin += page) {
          sorted.emplace_back(begin, begin + page);
          std::sort(sorted.back().begin(), sorted.back().end());
        }
      }
      return sorted;
    };
    for (const test::Candidate& candidate : test::backends())
      EXPECT_EQ(pages(candidate), pages({"ref"})) << candidate.name << " " << to_string(dtype);
  }
}

TEST(Cache, TheDecayOfThePositionBeforeIsLoaded) {
  const Scene s = two_sequences(2, 2, 8, true);
  const Ints rows = {64, 0, 149, 150, 151, 214};  // the first rows of both sequences among them
  Floats want;
  for (const std::int32_t r : rows)
    for (std::int64_t h = 0; h < s.KV; ++h)
      want.push_back(r == 0 || r == 150 ? 0.0f : s.A[static_cast<std::size_t>((r - 1) * s.KV + h)]);
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    Rig rig(candidate);
    const PagedKv kv = empty_cache(rig, s, DType::f32);
    store_and_attend(rig, kv, s, all_rows(s));
    const Step in = step(rig, s, rows);
    const Tensor base = rig.unwritten({in.T, s.KV});
    rig->kv_load_decay(base, kv, in.sequence, in.position);
    EXPECT_EQ(rig.get(base), want) << candidate.name;
  }
}

// At gates of about 0.6, A is near -16,700, where a step of f32 is 2^-9. An error of half of that a
// row, over the row and a half that such gates look back on average, must stay below what bf16 does
// to the values anyway.
TEST(Cache, DecayIsPreciseEnoughAfter32768Tokens) {
  constexpr std::int64_t T = 32768, hd = 4;
  const Floats a = test::random_values(T, 1, 0.2f, 0.6f), v = test::random_values(T * hd, 2);
  double sum = 0.0;
  std::vector<double> mean(hd), A = {0.0};
  for (const float x : a) A.push_back(A.back() - std::log1p(std::exp(-double{x})));
  for (std::size_t t = 0; t < T; ++t) {
    const double weight = std::exp(A[T] - A[t + 1]);  // all scores are 0
    sum += weight;
    for (std::size_t d = 0; d < hd; ++d) mean[d] += weight * v[t * hd + d];
  }
  Floats want;
  for (const double m : mean) want.push_back(static_cast<float>(m / sum));

  Ints position(T), table(T / kPageTokens);
  std::iota(position.begin(), position.end(), 0);
  std::iota(table.begin(), table.end(), 0);
  const auto pages = static_cast<std::int64_t>(table.size());
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    Rig rig(candidate);
    const PagedKv kv{rig.unwritten({pages, 1, kPageTokens, hd}),
                     rig.unwritten({pages, 1, kPageTokens, hd}),
                     rig.unwritten({pages, 1, kPageTokens}),
                     {},
                     rig.put(table).reshaped({1, pages})};
    const Tensor decay = rig.unwritten({T, 1}), zeros = rig.put(Ints(T, 0));
    const Tensor keys = rig.put({T, 1, hd}, Floats(T * hd));
    rig->daw_decay(decay, rig.put({T, 1}, a), rig.put({1}, {0.0f}), {}, {}, zeros, {});
    rig->kv_store(kv, keys, rig.put({T, 1, hd}, v), decay, zeros, rig.put(position));
    const Tensor own = rig.put({1, 1}, {rig.get(decay).back()}), y = rig.unwritten({1, 1, hd});
    rig->attention_paged(y, rig.put({1, 1, hd}, Floats(hd)), kv, own, rig.put(Ints{0}),
                         rig.put(Ints{T - 1}), {});
    EXPECT_TRUE(test::close(rig.get(y), want, test::kBf16)) << candidate.name;
  }
}

TEST(Cache, SkippingMovesTheResultByNoMoreThanItsBound) {
  Scene s = two_sequences(4, 2, 16, true);
  const Floats want = whole_documents(s);
  for (const float skip : {1e-4f, 1e-2f}) {
    s.options.skip = skip;
    for (const test::Candidate& candidate : test::backends_and_ref()) {
      Rig rig(candidate);
      EXPECT_TRUE(
          test::close(store_and_attend(rig, empty_cache(rig, s, DType::f32), s, all_rows(s)), want,
                      2.0 * skip + mean_error(s, 1.0)))
          << candidate.name;
    }
  }
}

// Rows that stand a whole page behind the first one, whose gates are nearly shut: NaN values there
// are found if they are read.
TEST(Cache, APageThatHoldsNothingIsNotRead) {
  Scene s = two_sequences(4, 2, 16, true);
  s.A = test::falling(s.start, s.KV, 2.0f);
  s.options.skip = 1e-4f;
  const Ints rows = rows_from(128, 22);
  const Floats want = pick(whole_documents(s), s.H * s.hd, rows);
  std::fill_n(s.v.begin(), kPageTokens * s.KV * s.hd, std::numeric_limits<float>::quiet_NaN());
  for (const test::Candidate& candidate : test::backends()) {
    Rig rig(candidate);
    const PagedKv kv = empty_cache(rig, s, DType::f32);
    store_and_attend(rig, kv, s, all_rows(s));
    EXPECT_TRUE(test::close(store_and_attend(rig, kv, s, rows), want, 2e-4 + mean_error(s, 1.0)))
        << candidate.name;
  }
}

}  // namespace
}  // namespace r1
