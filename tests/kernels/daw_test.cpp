#include <algorithm>

#include "tests/support/kernel_test.h"

namespace r1 {
namespace {

using test::Op;
using test::Rig;
using Ints = std::vector<std::int32_t>;

// Rows of documents: the first has two thirds of all, the others 30 each at most.
struct Rows {
  std::int64_t T;
  Ints start, newline;
};

Rows documents(std::int64_t T) {
  Rows rows{T, {}, {}};
  const auto second = static_cast<std::int32_t>((2 * T + 2) / 3);
  for (std::int32_t t = 0; t < T; ++t) {
    rows.start.push_back(t < second ? 0 : second + (t - second) / 30 * 30);
    rows.newline.push_back(t % 5 == 2 ? 1 : 0);
  }
  return rows;
}

enum class With { gate, newline, base };

class DawTest : public test::KernelTest {
 protected:
  static std::vector<std::vector<float>> decay(Rig& rig, const Rows& rows, std::int64_t KV,
                                               With with) {
    const std::int64_t T = rows.T;
    const Tensor A = rig.unwritten({T, KV}), a = rig.put({T, KV}, test::random_values(T * KV, 1));
    const Tensor b = rig.put({KV}, test::random_values(KV, 2)), start = rig.put(rows.start);
    const Tensor l = rig.put({KV}, test::random_values(KV, 3, 1.0f, 5.0f));
    const Tensor base = rig.put({T, KV}, test::random_values(T * KV, 4, -50.0f, 0.0f));
    const bool newline = with != With::gate;
    rig->daw_decay(A, a, b, newline ? l : Tensor{}, newline ? rig.put(rows.newline) : Tensor{},
                   start, with == With::base ? base : Tensor{});
    return {rig.get(A)};
  }
};

// Each step is off by the rounding of u (three sums of numbers up to 13), by that of the two
// functions, and A itself is rounded; `ref` rounds A too.
TEST_F(DawTest, DecayAgrees) {
  for (const std::int64_t T : test::kAwkward)
    for (const std::int64_t KV : {1, 3, 16})
      for (const With with : {With::gate, With::newline, With::base}) {
        SCOPED_TRACE(to_string(Shape{T, KV}) + " with " + std::to_string(static_cast<int>(with)));
        const Rows rows = documents(T);
        const Op op = [&](Rig& rig) { return decay(rig, rows, KV, with); };
        const double most = test::largest(on_ref(op)[0]);
        const double step = 3.0 * 13.0 * test::kF32 + 13.0 * test::kFunction;
        std::vector<double> tolerance;
        for (std::int64_t t = 0; t < T; ++t) {
          const std::int64_t steps = t - rows.start[static_cast<std::size_t>(t)] + 1;
          tolerance.insert(tolerance.end(), static_cast<std::size_t>(KV),
                           static_cast<double>(steps) * (step + 2.0 * most * test::kF32));
        }
        expect_agreement(op, {tolerance});
      }
}

// A gate that hardly closes and one that is shut: A stays finite and is u itself when shut.
TEST_F(DawTest, GatesNearTheirEndsAgree) {
  const std::vector<float> a = {60.0f, -40.0f, 100.0f, -100.0f, 0.0f, -1e4f, 1e4f, 1e-3f};
  const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
    const Tensor A = rig.unwritten({1, 8});
    rig->daw_decay(A, rig.put({1, 8}, a), rig.put({8}, std::vector<float>(8, 0.0f)), {}, {},
                   rig.put(Ints{0}), {});
    return {rig.get(A)};
  };
  // Flushed to zero is right where the result is below the smallest normal number.
  expect_agreement(op, {test::tolerances(on_ref(op)[0], 2.0 * test::kFunction, 1e-37)});
}

// Stepping row by row from the A of the row before: what decoding does.
TEST_F(DawTest, DecayInPiecesIsDecayAtOnce) {
  constexpr std::int64_t T = 23, KV = 3;
  const std::vector<float> a = test::random_values(T * KV, 1), b = test::random_values(KV, 2);
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    Rig rig(candidate);
    const Tensor whole = rig.unwritten({T, KV}), rows = rig.put({T, KV}, a),
                 bias = rig.put({KV}, b);
    rig->daw_decay(whole, rows, bias, {}, {}, rig.put(Ints(T, 0)), {});
    const std::vector<float> want = rig.get(whole);
    std::vector<float> before(KV, 0.0f), got;
    for (std::size_t t = 0; t < T;) {
      const std::size_t n = t < 10 ? 10 : 1;  // a chunk, then single rows
      const auto count = static_cast<std::int64_t>(n);
      const std::vector<float> piece(a.begin() + static_cast<std::ptrdiff_t>(t * KV),
                                     a.begin() + static_cast<std::ptrdiff_t>((t + n) * KV));
      std::vector<float> base(n * KV, -7.0f);  // only the first row's is read
      std::copy(before.begin(), before.end(), base.begin());
      const Tensor A = rig.unwritten({count, KV});
      rig->daw_decay(A, rig.put({count, KV}, piece), bias, {}, {}, rig.put(Ints(n, 0)),
                     rig.put({count, KV}, base));
      const std::vector<float> values = rig.get(A);
      got.insert(got.end(), values.begin(), values.end());
      before.assign(values.end() - KV, values.end());
      t += n;
    }
    if (candidate.exact())
      EXPECT_EQ(got, want) << candidate.name;
    else
      EXPECT_TRUE(test::close(got, want, test::roundings(2 * T) * test::largest(want)));
  }
}

// du is a running sum of at most T gradients up to 1, times a sigmoid; db and dl are sums of T
// such, dl times at most 8.
TEST_F(DawTest, DecayBackwardAgrees) {
  for (const std::int64_t T : {1, 7, 33, 257})
    for (const std::int64_t KV : {1, 3, 16})
      for (const bool newline : {false, true}) {
        SCOPED_TRACE(to_string(Shape{T, KV}) + (newline ? " with newlines" : ""));
        const Rows rows = documents(T);
        const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
          const Tensor da = rig.begun({T, KV}), db = rig.begun({KV}), dl = rig.begun({KV});
          const Tensor dA = rig.put({T, KV}, test::random_values(T * KV, 5));
          const Tensor a = rig.put({T, KV}, test::random_values(T * KV, 1));
          const Tensor b = rig.put({KV}, test::random_values(KV, 2)), start = rig.put(rows.start);
          const Tensor l =
              newline ? rig.put({KV}, test::random_values(KV, 3, 1.0f, 5.0f)) : Tensor{};
          const Tensor n = newline ? rig.put(rows.newline) : Tensor{};
          rig->daw_decay_backward(da, db, newline ? dl : Tensor{}, dA, a, b, l, n, start);
          const Tensor only_db = rig.begun({KV});
          rig->daw_decay_backward({}, only_db, {}, dA, a, b, l, n, start);
          return {rig.get(da), rig.get(db), rig.get(dl), rig.get(only_db)};
        };
        const double rows_behind = static_cast<double>(T);
        const double du = rows_behind * (test::roundings(T + 4) + 2.0 * test::kFunction);
        const auto kv = static_cast<std::size_t>(KV);
        const std::vector<double> sum(kv, 2.0 * rows_behind * du);
        expect_agreement(op, {std::vector<double>(static_cast<std::size_t>(T * KV), du), sum,
                              std::vector<double>(kv, 8.0 * sum[0]), sum});
      }
}

// g = 2 sigmoid is at most 2; da is a sum of group * hd products up to 1, db of T of those.
TEST_F(DawTest, GainAgrees) {
  struct Heads {
    std::int64_t H, KV, hd;
  };
  for (const std::int64_t T : {1, 3, 17})
    for (const Heads s : {Heads{1, 1, 8}, {4, 2, 16}, {6, 2, 33}, {3, 3, 64}}) {
      SCOPED_TRACE(to_string(Shape{T, s.H, s.KV, s.hd}));
      const std::int64_t n = T * s.H * s.hd, sum = s.H / s.KV * s.hd;
      const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
        const Tensor y = rig.unwritten({T, s.H, s.hd});
        const Tensor q = rig.put({T, s.H, s.hd}, test::random_values(n, 1));
        const Tensor a = rig.put({T, s.KV}, test::random_values(T * s.KV, 2, -4.0f, 4.0f));
        const Tensor b = rig.put({s.KV}, test::random_values(s.KV, 3));
        const Tensor dy = rig.put({T, s.H, s.hd}, test::random_values(n, 4));
        const Tensor dq = rig.begun({T, s.H, s.hd}), da = rig.begun({T, s.KV});
        const Tensor db = rig.begun({s.KV}), only_dq = rig.begun({T, s.H, s.hd});
        rig->daw_gain(y, q, a, b);
        rig->daw_gain_backward(dq, da, db, dy, q, a, b);
        rig->daw_gain_backward(only_dq, {}, {}, dy, q, a, b);
        return {rig.get(y), rig.get(dq), rig.get(da), rig.get(db), rig.get(only_dq)};
      };
      const auto all = static_cast<std::size_t>(n), kv = static_cast<std::size_t>(s.KV);
      const double gain = 2.0 * test::kFunction + 2.0 * 5.0 * test::kF32;  // |a + b| <= 5
      const double products = static_cast<double>(sum) * (test::roundings(sum + 4) + gain);
      const double rows = static_cast<double>(T);
      expect_agreement(
          op, {std::vector<double>(all, gain), std::vector<double>(all, 2.0 * gain),
               std::vector<double>(static_cast<std::size_t>(T) * kv, products + gain),
               std::vector<double>(kv, rows * (products + gain) + test::roundings(T + 1) * rows *
                                                                      static_cast<double>(sum)),
               std::vector<double>(all, 2.0 * gain)});
    }
}

TEST_F(DawTest, AGainOfNothingLeavesTheQueriesAsTheyAre) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    Rig rig(candidate);
    const std::vector<float> values = test::random_values(5 * 4 * 16, 1);
    const Tensor y = rig.unwritten({5, 4, 16}),
                 zero = rig.put({5, 2}, std::vector<float>(10, 0.0f));
    rig->daw_gain(y, rig.put({5, 4, 16}, values), zero, rig.put({2}, {0.0f, 0.0f}));
    EXPECT_TRUE(test::close(rig.get(y), values, test::tolerances(values, test::kFunction)))
        << candidate.name;
  }
}

}  // namespace
}  // namespace r1
