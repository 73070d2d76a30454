// Attention over pages, in tiles of rows: any head size and group, runs that begin and end
// anywhere in tiles and pages, rows of several sequences in one step.
#include <cmath>
#include <limits>

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
using test::half_sum_error;
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
using test::store;
using test::whole_documents;

// A cache that holds all of a scene.
struct Filled {
  Rig rig;
  PagedKv kv;

  Filled(const test::Candidate& candidate, const Scene& s, DType dtype = DType::bf16)
      : rig(candidate), kv(empty_cache(rig, s, dtype)) {
    store(rig, kv, step(rig, s, all_rows(s)));
  }
  Floats attend(const Scene& s, const Ints& rows) {
    return attend_stored(rig, kv, s, step(rig, s, rows));
  }
  Floats attend(const Scene& s, const Ints& rows, std::int64_t longest_run) {
    Step in = step(rig, s, rows);
    in.longest_run = longest_run;
    return attend_stored(rig, kv, s, in);
  }
};

Floats rows_of(const Floats& all, const Scene& s, const Ints& rows) {
  return pick(all, s.H * s.hd, rows);
}

Scene stored_scene(std::initializer_list<std::int32_t> lengths, std::int64_t H, std::int64_t KV,
                   std::int64_t hd, bool daw, DType dtype = DType::bf16) {
  return as_stored(scene(documents(lengths), H, KV, hd, daw), dtype);
}

// What tiles read.
std::vector<DType> tile_types(std::int64_t hd) {
  std::vector<DType> types = page_types(hd);
  std::erase(types, DType::f32);
  return types;
}

Ints together(std::initializer_list<Ints> some) {
  Ints rows;
  for (const Ints& more : some) rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

// Of documents of 150, 70 and 3 rows. A prefill from a row off the page; single rows, also among
// pieces of prefill, of other sequences and of the same; runs that end in the middle of a tile.
std::vector<Ints> steps() {
  return {rows_from(37, 66),
          {149},
          {222, 149, 219, 17},
          together({{149, 219}, rows_from(150, 25), {222}, rows_from(120, 12), {3}})};
}

struct Size {
  std::int64_t H, KV, hd;
};
const Size kSizes[] = {{2, 2, 64},  {4, 1, 64},  {20, 1, 64}, {4, 4, 80},  {8, 1, 96},
                       {7, 1, 128}, {8, 2, 128}, {4, 1, 256}, {3, 1, 200}, {6, 2, 24}};

// Plain and with a window, with DAW and without.
struct Look {
  bool daw;
  std::int64_t window;
};

TEST(PagedAttention, TilesAgreeWithWholeDocuments) {
  for (const Size& size : kSizes)
    for (const Look look : {Look{false, 0}, {true, 65}})
      for (const DType dtype : tile_types(size.hd)) {
        Scene s = stored_scene({150, 70, 3}, size.H, size.KV, size.hd, look.daw, dtype);
        s.options.window = look.window;
        const Floats want = whole_documents(s);
        for (const test::Candidate& candidate : test::backends()) {
          Filled cache(candidate, s, dtype);
          for (const Ints& rows : steps())
            EXPECT_TRUE(test::close(cache.attend(s, rows), rows_of(want, s, rows),
                                    paged_error(candidate, s, dtype)))
                << candidate.name << " " << to_string(dtype) << " " << to_string(s) << ", "
                << rows.size() << " rows";
        }
      }
}

// Scores of 0, decays of whole powers of two and values of few bits: no weight is rounded nor,
// where nothing decays, a sum of halves, and one position too many or too few is seen. Not so times
// the scales of q8_0.
TEST(PagedAttention, WeightsThatAreWholeBitsAreSummedExactly) {
  for (const Size& size : kSizes)
    for (const Look look : {Look{false, 100}, {true, 0}})
      for (const DType dtype : tile_types(size.hd)) {
        if (dtype == DType::q8_0) continue;
        Scene s = stored_scene({150, 70, 3}, size.H, size.KV, size.hd, look.daw, dtype);
        s.options.window = look.window;
        std::fill(s.q.begin(), s.q.end(), 0.0f);
        for (float& A : s.A) A = std::log(2.0f) * std::floor(A);
        for (float& v : s.v) v = std::nearbyint(8.0f * v) / 8.0f;
        const Floats want = whole_documents(s);
        for (const test::Candidate& candidate : test::backends()) {
          Filled cache(candidate, s, dtype);
          for (const Ints& rows : steps())
            EXPECT_TRUE(test::close(
                cache.attend(s, rows), rows_of(want, s, rows),
                mean_error(s, 1.0) + (look.daw ? half_sum_error(candidate, dtype) : 0.0)))
                << candidate.name << " " << to_string(dtype) << " " << to_string(s) << ", "
                << rows.size() << " rows";
        }
      }
}

// Tensor cores round q to 16 bits: each score is off by that share of the largest there may be.
TEST(PagedAttention, QueriesMayBeRounded) {
  for (const DType dtype : tile_types(32)) {
    Scene s = stored_scene({150, 70, 3}, 4, 2, 32, true, dtype);
    s.q = test::random_values(static_cast<std::int64_t>(s.queries()), 9);
    const Floats want = whole_documents(s);
    const double share = dtype == DType::bf16 ? test::kBf16 : test::kF16;
    for (const test::Candidate& candidate : test::backends()) {
      Filled cache(candidate, s, dtype);
      for (const Ints& rows : steps())
        EXPECT_TRUE(test::close(cache.attend(s, rows), rows_of(want, s, rows),
                                paged_error(candidate, s, dtype) + 2.0 * share * largest_score(s)))
            << candidate.name << " " << to_string(dtype);
    }
  }
}

TEST(PagedAttention, TheLongestRunIsOnlyAHint) {
  const Scene s = stored_scene({150, 70, 3}, 4, 2, 64, true);
  const Floats want = whole_documents(s);
  for (const test::Candidate& candidate : test::backends()) {
    Filled cache(candidate, s);
    for (const std::int64_t hint : {0, 1, 4, 5, 1000})
      for (const Ints& rows : steps())
        EXPECT_TRUE(test::close(cache.attend(s, rows, hint), rows_of(want, s, rows),
                                paged_error(candidate, s, DType::bf16)))
            << candidate.name << ", hint " << hint;
  }
}

// All of it matters, what a window shows, or what DAW leaves: some rows skip what others do not.
struct Past {
  float fastest;  // fall of A
  std::int64_t window;
};

// Positions up to 1,200 are three parts. Alone, among others, in tiles of any height: the same
// bits.
void expect_same_bits(const test::Candidate& candidate, const Scene& s, DType dtype) {
  Filled cache(candidate, s, dtype);
  const Ints all = rows_from(1140, 80);  // ends with 20 rows of the second sequence
  const Floats want = cache.attend(s, all);
  for (const Ints& rows : {Ints{1199}, {1219}, {1140, 1219, 1199, 1173}, rows_from(1143, 7)})
    for (const std::int64_t hint : {1, 64}) {
      Ints among = rows;
      for (std::int32_t& r : among) r -= all[0];
      ASSERT_EQ(cache.attend(s, rows, hint), rows_of(want, s, among))
          << candidate.name << " " << to_string(dtype) << " " << to_string(s) << ", row " << rows[0]
          << " of " << rows.size() << ", hint " << hint;
    }
}

TEST(PagedAttention, ARowHasTheSameBitsInAnyStep) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    if (!candidate.exact()) continue;
    for (const Size& size : {Size{4, 2, 64}, {3, 1, 96}, {2, 1, 200}, {2, 2, 20}})
      for (const Past past : {Past{0.01f, 0}, {0.01f, 600}, {0.2f, 0}})
        for (const DType dtype : tile_types(size.hd)) {
          if (past.window > 0 && dtype != DType::bf16) continue;  // all types look in one way
          Scene s = stored_scene({1200, 70}, size.H, size.KV, size.hd, true, dtype);
          s.A = test::falling(s.start, s.KV, past.fastest);
          s.options.window = past.window;
          s.options.skip = 1e-2f;
          expect_same_bits(candidate, s, dtype);
        }
  }
}

TEST(PagedAttention, SkippingMovesTheResultByNoMoreThanItsBound) {
  for (const DType dtype : {DType::bf16, DType::q8_0}) {
    Scene s = stored_scene({700, 70}, 4, 2, 64, true, dtype);
    const Floats want = whole_documents(s);
    for (const float skip : {1e-4f, 1e-2f}) {
      s.options.skip = skip;
      for (const test::Candidate& candidate : test::backends()) {
        Filled cache(candidate, s, dtype);
        for (const Ints& rows : {all_rows(s), Ints{699, 769}})
          EXPECT_TRUE(test::close(cache.attend(s, rows), rows_of(want, s, rows),
                                  2.0 * skip + paged_error(candidate, s, dtype)))
              << candidate.name << " " << to_string(dtype) << ", skip " << skip;
      }
    }
  }
}

// Rows that stand a page and more behind the first two, whose gates are nearly shut: NaN values
// there are found if they are read.
TEST(PagedAttention, PagesThatHoldNothingAreNotRead) {
  Scene s = stored_scene({300}, 4, 2, 64, true);
  s.A = test::falling(s.start, s.KV, 2.0f);
  s.options.skip = 1e-4f;
  const Floats want = whole_documents(s);
  std::fill_n(s.v.begin(), 2 * kPageTokens * s.KV * s.hd, std::numeric_limits<float>::quiet_NaN());
  for (const test::Candidate& candidate : test::backends()) {
    Filled cache(candidate, s);
    for (const Ints& rows : {rows_from(192, 108), Ints{299}, Ints{192, 300 - 1}})
      EXPECT_TRUE(test::close(cache.attend(s, rows), rows_of(want, s, rows),
                              2e-4 + paged_error(candidate, s, DType::bf16)))
          << candidate.name;
  }
}

// log f = -40 a row: A reaches -6,000.
TEST(PagedAttention, GatesNearlyShutGiveTheRowsOwnValue) {
  Scene s = stored_scene({150, 70}, 4, 2, 64, true);
  for (std::size_t i = 0; i < s.A.size(); ++i)
    s.A[i] = -40.0f * static_cast<float>(i / static_cast<std::size_t>(s.KV) + 1);
  Floats own;
  for (std::int64_t r = 0; r < s.T * s.H; ++r) {
    const auto from = s.v.begin() + (r / s.H * s.KV + r % s.H / (s.H / s.KV)) * s.hd;
    own.insert(own.end(), from, from + s.hd);
  }
  const double rest = 2.0 * std::exp(-40.0 + 2.0 * largest_score(s)) + test::kFunction;
  for (const float skip : {0.0f, 1e-4f}) {
    s.options.skip = skip;
    for (const test::Candidate& candidate : test::backends()) {
      Filled cache(candidate, s);
      EXPECT_TRUE(test::close(cache.attend(s, all_rows(s)), own, rest)) << candidate.name;
    }
  }
}

}  // namespace
}  // namespace r1
