#include "lib/nn/graph.h"

#include <cmath>

#include <gtest/gtest.h>

#include "kernels/ref/ref_backend.h"
#include "tests/support/backends.h"
#include "tests/support/fails.h"

namespace r1 {
namespace {

using Ints = std::vector<std::int32_t>;

// Counts what the arena asks for.
class CountingBackend : public RefBackend {
 public:
  void* allocate(std::size_t bytes) override {
    ++allocations;
    return RefBackend::allocate(bytes);
  }
  int allocations = 0;
};

TEST(Graph, ShapesThatDoNotFitAreRefusedAndNamed) {
  RefBackend backend;
  Arena arena(backend);
  Graph g(backend, arena);
  const auto v = [&](const Shape& s) { return g.make(s); };
  const auto ints = [&](std::size_t n) { return g.integers(Ints(n, 0)); };
  constexpr ErrorKind kModel = ErrorKind::model;
  EXPECT_FAILS(kModel, "linear: [2, 3] and [4, 5] do not fit", g.linear(v({2, 3}), v({4, 5})));
  EXPECT_FAILS(kModel, "add_bias: [2, 3] and [2]", g.add_bias(v({2, 3}), v({2})));
  EXPECT_FAILS(kModel, "scale_columns: [2, 3] and [3] and [2]",
               g.scale_columns(v({2, 3}), v({3}), v({2}).value));
  EXPECT_FAILS(kModel, "embedding: [4]", g.embedding(v({4}), ints(2)));
  EXPECT_FAILS(kModel, "rms_norm: [2, 3] and [4]", g.rms_norm(v({2, 3}), v({4}), 1e-6f));
  EXPECT_FAILS(kModel, "linear's epilogue: [2, 4] and [3] and []",
               g.linear(v({2, 3}), v({4, 3}), {.bias = v({3})}));
  EXPECT_FAILS(kModel, "linear's epilogue: [2, 4] and [] and [2, 3]",
               g.linear(v({2, 3}), v({4, 3}), {.residual = v({2, 3})}));
  EXPECT_FAILS(
      kModel, "linear's epilogue",
      g.linear(v({2, 3}), v({4, 3}), {.residual = v({2, 4}), .activation = Activation::gelu}));
  EXPECT_FAILS(kModel, "swiglu: [2, 3] and [3, 2]", g.swiglu(v({2, 3}), v({3, 2})));
  EXPECT_FAILS(kModel, "add: [2, 3] and [6]", g.add(v({2, 3}), v({6})));
  EXPECT_FAILS(kModel, "gather_rows: [2]", g.gather_rows(v({2}), ints(1)));
  EXPECT_FAILS(kModel, "reshape: [2, 3] and [5]", g.reshape(v({2, 3}), {5}));
  EXPECT_FAILS(kModel, "rope: [2, 1, 4] and [2, 3, 2]",
               g.rope(v({2, 1, 4}), v({2, 3, 2}).value, false));
  EXPECT_FAILS(kModel, "rope: [2, 1, 3]", g.rope(v({2, 1, 3}), v({2, 1, 2}).value, false));
  EXPECT_FAILS(kModel, "daw_decay: [2, 3] and [3] and [2]",
               g.daw_decay(v({2, 3}), v({3}), v({2}), ints(2), ints(2), {}));
  EXPECT_FAILS(kModel, "daw_gain: [2, 3, 4] and [2, 2]",
               g.daw_gain(v({2, 3, 4}), v({2, 2}), v({2})));
  EXPECT_FAILS(kModel, "attention: [2, 3, 4] and [2, 2, 4]",
               g.attention(v({2, 3, 4}), v({2, 2, 4}), v({2, 2, 4}), {}, ints(2), {}));
  EXPECT_FAILS(kModel, "attention: [2, 2, 4] and [2, 2, 8]",
               g.attention(v({2, 2, 4}), v({2, 2, 8}), v({2, 2, 8}), {}, ints(2), {}));
  EXPECT_FAILS(kModel, "cross_entropy: [2, 3] and [3]", g.cross_entropy(v({2, 3}), ints(3)));
}

TEST(Graph, ACacheThatDoesNotFitTheHeadsIsRefused) {
  RefBackend backend;
  Arena arena(backend);
  Graph g(backend, arena);
  const auto v = [&](const Shape& s) { return g.make(s); };
  const auto ints = [&](std::size_t n) { return g.integers(Ints(n, 0)); };
  const Tensor pages = v({1, 2, kPageTokens, 4}).value, table = ints(1).reshaped({1, 1});
  const PagedKv kv{pages, pages, {}, {}, table};
  EXPECT_FAILS(ErrorKind::model, "kv_store: [3, 2, 8] and [1, 2, 64, 4]",
               g.kv_store(kv, v({3, 2, 8}), v({3, 2, 8}), {}, ints(3), ints(3)));
  EXPECT_FAILS(ErrorKind::model, "attention_paged: [3, 3, 4] and [1, 2, 64, 4]",
               g.attention_paged(v({3, 3, 4}), kv, {}, ints(3), ints(3), {}));
  EXPECT_FAILS(ErrorKind::model, "kv_load_decay", g.kv_load_decay(kv, ints(3), ints(3)));
}

TEST(Graph, InferenceKeepsNoGradients) {
  RefBackend backend;
  Arena arena(backend);
  Graph g(backend, arena);
  const Var x = g.make({2, 3}), w = g.make({4, 3});
  EXPECT_TRUE(x.grad.empty());
  EXPECT_TRUE(g.gradient(g.linear(x, w)).empty());
}

// One by one or all at once: as a graph that looks at each does.
TEST(Graph, SeveralProductsOfOneValueAreThoseOfEach) {
  test::Rig rig({"cpu", 2});
  const auto random = [&](const Shape& shape, std::uint64_t seed) {
    return Var{rig.put(shape, test::random_values(shape.elements(), seed)), {}};
  };
  const Var x = random({3, 8}, 1), w = random({4, 8}, 2), b = random({4}, 3), v = random({2, 8}, 4);
  for (const bool looks : {false, true}) {
    Graph g(rig.backend(), rig.arena());
    int seen = 0;
    if (looks) g.watch_products([&](const Tensor&, const Tensor&) { ++seen; });
    const auto [first, none, last] = g.linear_all(x, {{w, b}, {}, {v, {}}});
    EXPECT_EQ(seen, looks ? 2 : 0);
    EXPECT_TRUE(none.value.empty());
    EXPECT_EQ(rig.get(first.value), rig.get(g.linear(x, w, {.bias = b}).value));
    EXPECT_EQ(rig.get(last.value), rig.get(g.linear(x, v).value));
    EXPECT_FAILS(ErrorKind::model, "[3, 8] and [2, 3]", g.linear_all(x, {{random({2, 3}, 5), {}}}));
  }
}

TEST(Graph, GradientsStartAtZeroInMemoryThatWasUsedBefore) {
  test::Rig rig({"ref"});
  rig.unwritten({64, 64});
  rig.arena().reset();
  Graph g(rig.backend(), rig.arena(), Graph::Mode::training);
  const Var x = g.make({3, 5}), y = g.add(x, x);
  for (const Tensor& t : {x.value, x.grad, g.gradient(y)})
    EXPECT_EQ(rig.get(t), std::vector<float>(15, 0.0f));
}

// What is multiplied has 8 bits; a gradient that bf16 holds comes back whole.
TEST(Graph, FrozenWeightsOfTheTypeOfProductsAreReadAsTheyAre) {
  test::Rig rig({"ref"});
  Graph g(rig.backend(), rig.arena(), Graph::Mode::training);
  const Operands none;
  g.round_products(DType::bf16, &none);
  const Var w{rig.plain_weight({2, 3}, {1, 2, 3, -1, 0.5f, 4}, DType::bf16), {}};
  const Var x = g.make({1, 3}), y = [&] {
    rig->copy_from_host(x.value, std::vector<float>{1.001f, 2, 0.25f}.data());
    return g.linear(x, w);
  }();
  EXPECT_EQ(rig.get(y.value), (std::vector<float>{5.75f, 1}));  // 1.001 becomes 1
  rig->copy_from_host(g.gradient(y), std::vector<float>{2, -4}.data());
  g.backward();
  EXPECT_EQ(rig.get(x.grad), (std::vector<float>{6, 2, -10}));
}

TEST(Graph, ALayersValuesLastUntilTheEndOfTheNext) {
  test::Rig rig({"ref"});
  for (int step = 0; step < 3; ++step) {
    rig.arena().reset();
    Graph g(rig.backend(), rig.arena());
    const Var one{rig.put({40, 50}, std::vector<float>(2000, 1.0f)), {}};
    Var x = one;
    for (int layer = 0; layer < 5; ++layer) {
      x = g.layer(x, [&](const Var& in) {
        const Var twice = g.add(in, in);
        for (int i = 0; i < 3; ++i) rig.unwritten({400, 500});  // what else a layer wants
        return g.add(twice, one);
      });
    }
    EXPECT_EQ(rig.get(x.value), std::vector<float>(2000, 63.0f));  // 2 (2 (… 2 + 1) + 1) + 1
  }
}

TEST(Graph, AStepHoldsTheMemoryOfTwoLayers) {
  RefBackend backend;
  const auto peak = [&](int layers) {
    Arena arena(backend);
    Graph g(backend, arena);
    Var x = g.make({300, 500});
    for (int layer = 0; layer < layers; ++layer) {
      x = g.layer(x, [&](const Var& in) { return g.add(g.add(in, in), in); });
    }
    return arena.peak_bytes();
  };
  EXPECT_EQ(peak(20), peak(2));
  EXPECT_GT(peak(2), peak(1));
}

TEST(Graph, MemoryOfGradientsIsLentAgain) {
  RefBackend backend;
  const auto peak = [&](Graph::Mode mode) {
    Arena arena(backend);
    Graph g(backend, arena, mode);
    const Var x = g.make({60, 100}), w = g.make({100, 100});
    Var y = x;
    for (int i = 0; i < 40; ++i) y = g.linear(y, w, {.residual = y});
    if (g.training()) backend.zero(g.gradient(y));
    g.backward();
    return arena.peak_bytes();
  };
  EXPECT_LT(static_cast<double>(peak(Graph::Mode::training)),
            1.2 * static_cast<double>(peak(Graph::Mode::inference)));
}

TEST(Graph, AGradientThatNobodyAddedToGoesNowhere) {
  test::Rig rig({"ref"});
  Graph g(rig.backend(), rig.arena(), Graph::Mode::training);
  const Var x = g.make({2, 3});
  g.add(x, x);
  const Var z = g.add(x, x, 3.0f);
  rig->copy_from_host(g.gradient(z), std::vector<float>(6, 1.0f).data());
  g.backward();
  EXPECT_EQ(rig.get(x.grad), std::vector<float>(6, 4.0f));
}

TEST(Graph, LayersThatAreRunAgainTakeTheMemoryOfTwo) {
  RefBackend backend;
  const auto peak = [&](int layers, bool recompute) {
    Arena arena(backend);
    Graph g(backend, arena, Graph::Mode::training);
    if (recompute) g.recompute_layers();
    Var x = g.make({300, 500});
    for (int layer = 0; layer < layers; ++layer)
      x = g.layer(x, [&](const Var& in) {
        Var y = in;
        for (int i = 0; i < 8; ++i) y = g.add(y, in);
        return y;
      });
    backend.copy_from_host(g.gradient(x), std::vector<float>(150000, 1.0f).data());
    g.backward();
    return arena.peak_bytes();
  };
  EXPECT_LT(peak(20, true), peak(20, false) / 3);
}

TEST(Graph, AStepLikeTheOneBeforeTakesNoMemoryFromTheBackend) {
  CountingBackend backend;
  Arena arena(backend);
  int after_two_steps = 0;
  for (int step = 0; step < 5; ++step) {
    Graph g(backend, arena);
    Var x = g.make({300, 500});
    for (int layer = 0; layer < 4; ++layer) {
      x = g.layer(x, [&](const Var& in) { return g.add(in, in); });
    }
    arena.reset();
    if (step == 1) after_two_steps = backend.allocations;
  }
  EXPECT_GT(after_two_steps, 0);
  EXPECT_EQ(backend.allocations, after_two_steps);
}

TEST(Graph, ARefusedOperationLeavesNothingToRunBackwards) {
  test::Rig rig({"ref"});
  Graph g(rig.backend(), rig.arena(), Graph::Mode::training);
  const Var x = g.make({2, 3}), y = g.add(x, x);
  EXPECT_FAILS(ErrorKind::model, "add", g.add(y, g.make({3, 2})));
  rig->copy_from_host(g.gradient(y), std::vector<float>(6, 1.0f).data());
  g.backward();
  EXPECT_EQ(rig.get(x.grad), std::vector<float>(6, 2.0f));
}

// w [5, 7] and what stands beside it, on `ref`.
struct Beside {
  Beside() {
    const auto put = [&](const Shape& shape, std::uint64_t seed) {
      return rig.put(shape, test::random_values(shape.elements(), seed));
    };
    const auto room = [&](const Shape& shape) {
      return rig.put(shape, std::vector<float>(static_cast<std::size_t>(shape.elements())));
    };
    x = {put({4, 7}, 1), room({4, 7})};
    w = {put({5, 7}, 2), {}};
    low = {.a = {put({2, 7}, 3), room({2, 7})},
           .b = {put({5, 2}, 4), room({5, 2})},
           .scale = 0.7f,
           .magnitude = {put({5}, 5), room({5})},
           .squares = room({5})};
    const std::vector<float> values = rig.get(w.value);
    std::vector<float> squares(5);
    for (std::size_t i = 0; i < values.size(); ++i) squares[i / 7] += values[i] * values[i];
    rig->copy_from_host(low.squares, squares.data());
  }
  // The result; and with dy all ones the gradients of x, a, b and the magnitude.
  std::vector<std::vector<float>> run(const Dropout& dropout = {}) {
    for (const Var& v : {x, low.a, low.b, low.magnitude}) rig->zero(v.grad);
    Graph g(rig.backend(), rig.arena(), Graph::Mode::training);
    const LowRanks all = {{w.value.data, low}};
    g.adapt_weights(&all, dropout);
    const Var y = g.linear(x, w);
    rig->copy_from_host(g.gradient(y), std::vector<float>(20, 1.0f).data());
    g.backward();
    return {rig.get(y.value), rig.get(x.grad), rig.get(low.a.grad), rig.get(low.b.grad),
            rig.get(low.magnitude.grad)};
  }
  test::Rig rig{{"ref"}};
  Var x, w;
  LowRank low;
};

TEST(Graph, RowsBesideALowRankMatrixHaveTheLengthsOfTheSum) {
  Beside t;
  const std::vector<float> w = t.rig.get(t.w.value), a = t.rig.get(t.low.a.value),
                           b = t.rig.get(t.low.b.value);
  Graph g(t.rig.backend(), t.rig.arena());
  const std::vector<float> norms = t.rig.get(g.row_norms(t.w, t.low));
  for (std::size_t n = 0; n < 5; ++n) {
    double sum = 0;
    for (std::size_t k = 0; k < 7; ++k) {
      const double v =
          w[n * 7 + k] + 0.7 * (double{b[n * 2]} * a[k] + double{b[n * 2 + 1]} * a[7 + k]);
      sum += v * v;
    }
    EXPECT_NEAR(norms[n], std::sqrt(sum), 1e-5);
  }
}

TEST(Graph, TheLengthOfARowIsAConstantForTheGradient) {
  Beside found, given;
  Graph g(given.rig.backend(), given.rig.arena());
  const std::vector<float> norms = given.rig.get(g.row_norms(given.w, given.low));
  given.low.norms = given.rig.put({5}, norms);
  EXPECT_EQ(found.run(), given.run());
}

TEST(Graph, DropoutIsOfWhatALowRankMatrixReadsWhileItLearns) {
  Beside t;
  const auto plain = t.run(), some = t.run({.share = 0.5f, .seed = 1});
  EXPECT_NE(some[0], plain[0]);
  EXPECT_EQ(t.run({.share = 0.5f, .seed = 1}), some);
  EXPECT_NE(t.run({.share = 0.5f, .seed = 2})[0], some[0]);
  t.low.number = 1;
  EXPECT_NE(t.run({.share = 0.5f, .seed = 1})[0], some[0]);
  Graph g(t.rig.backend(), t.rig.arena());
  const LowRanks all = {{t.w.value.data, t.low}};
  g.adapt_weights(&all, {.share = 0.5f, .seed = 1});
  EXPECT_EQ(t.rig.get(g.linear(t.x, t.w).value), plain[0]);
}

// Another matrix is read in place of w + s b a. x has its gradient, a and b those of the sum.
TEST(Graph, AMatrixThatIsReplacedTeachesWhatItStandsFor) {
  Beside t;
  t.low.magnitude = {};
  const std::vector<std::vector<float>> plain = [&] {
    t.rig->zero(t.x.grad);
    t.rig->zero(t.low.a.grad);
    t.rig->zero(t.low.b.grad);
    Graph g(t.rig.backend(), t.rig.arena(), Graph::Mode::training);
    const LowRanks all = {{t.w.value.data, t.low}};
    g.adapt_weights(&all, {});
    const Var y = g.linear(t.x, t.w);
    t.rig->copy_from_host(g.gradient(y), std::vector<float>(20, 1.0f).data());
    g.backward();
    return std::vector{t.rig.get(t.low.a.grad), t.rig.get(t.low.b.grad)};
  }();
  const Tensor other = t.rig.put({5, 7}, test::random_values(35, 9, -1.0f, 1.0f));
  for (const Var& v : {t.x, t.low.a, t.low.b}) t.rig->zero(v.grad);
  Graph g(t.rig.backend(), t.rig.arena(), Graph::Mode::training);
  const LowRanks all = {{t.w.value.data, t.low}};
  g.adapt_weights(&all, {});
  g.replace_weights([&](const Tensor& w) { return w.data == t.w.value.data ? other : w; });
  const Var y = g.linear(t.x, t.w);
  t.rig->copy_from_host(g.gradient(y), std::vector<float>(20, 1.0f).data());
  g.backward();
  EXPECT_EQ(t.rig.get(t.low.a.grad), plain[0]);
  EXPECT_EQ(t.rig.get(t.low.b.grad), plain[1]);
  const std::vector<float> x = t.rig.get(t.x.value), q = t.rig.get(other);
  const std::vector<float> dx = t.rig.get(t.x.grad), value = t.rig.get(y.value);
  for (std::size_t k = 0; k < 7; ++k) {
    double sum = 0;
    for (std::size_t n = 0; n < 5; ++n) sum += q[n * 7 + k];
    EXPECT_NEAR(dx[k], sum, 1e-5);
  }
  double first = 0;
  for (std::size_t k = 0; k < 7; ++k) first += double{x[k]} * q[k];
  EXPECT_NEAR(value[0], first, 1e-5);
}

}  // namespace
}  // namespace r1
