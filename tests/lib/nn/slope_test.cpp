// Backward is the slope of forward: every operation, every input, on `ref`.
#include <cmath>
#include <functional>
#include <initializer_list>
#include <ostream>

#include <gtest/gtest.h>

#include "lib/nn/graph.h"
#include "tests/support/backends.h"
#include "tests/support/close.h"

namespace r1 {
namespace {

using Vars = std::vector<Var>;
using Values = std::vector<std::vector<float>>;  // by input
using Ints = std::vector<std::int32_t>;

// Random numbers of this shape from middle - 1 to middle + 1.
struct Input {
  Input(std::initializer_list<std::int64_t> dims) : shape(dims) {}
  Shape shape;
  float middle = 0.0f;
};
Input around(float middle, Input in) {
  in.middle = middle;
  return in;
}

// A result built from inputs.
struct Case {
  std::string name;
  std::vector<Input> inputs;
  std::function<Var(Graph&, const Vars&)> build;
  int depth = 1;  // roundings one after another: steps of a chain
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

// Two documents of 5 and 4 rows, the second with rows of its own start.
const Ints kPosition = {0, 1, 2, 3, 4, 0, 1, 2, 3};
const Ints kStart = {0, 0, 0, 0, 0, 5, 5, 5, 5};
const Ints kNewline = {0, 1, 0, 1, 0, 0, 0, 1, 0};
constexpr AttentionOptions kAttention{.scale = 0.4f};

Var rope(Graph& g, const Var& x, bool interleaved) {
  const Tensor table = g.rope_table(g.integers(kPosition), g.floats({{1.0f, 0.3f, 0.1f}}), 1.1f);
  return g.rope(x, table, interleaved);
}

Var decay(Graph& g, const Var& a, const Var& b, const Var& l) {
  return g.daw_decay(a, b, l, g.integers(kNewline), g.integers(kStart), {});
}

// x, w, b, l, w', b', q, k, v: all of DAW.
Var daw(Graph& g, const Vars& in) {
  const Var A = decay(g, g.linear(in[0], in[1]), in[2], in[3]);            // [T, KV]
  const Var q = g.daw_gain(in[6], g.linear(in[0], in[4]), in[5]);          // [T, H, hd]
  return g.attention(q, in[7], in[8], A, g.integers(kStart), kAttention);  // [T, H, hd]
}

// x, w, b, residual, and a matrix of low rank beside w.
Var beside(Graph& g, const Vars& in, const LowRank& low) {
  const LowRanks all = {{in[1].value.data, low}};
  g.adapt_weights(&all);
  const Var y = g.linear(in[0], in[1], {.bias = in[2], .residual = in[3]});
  g.adapt_weights(nullptr);
  return y;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"Linear", {{5, 7}, {6, 7}}, [](Graph& g, const Vars& in) { return g.linear(in[0], in[1]); }},
      {"LinearWithBiasAndResidual",
       {{5, 7}, {6, 7}, {6}, {5, 6}},
       [](Graph& g, const Vars& in) {
         return g.linear(in[0], in[1], {.bias = in[2], .residual = in[3]});
       },
       3},
      {"LinearWithBiasAndGelu",
       {{5, 7}, {6, 7}, {6}},
       [](Graph& g, const Vars& in) {
         return g.linear(in[0], in[1], {.bias = in[2], .activation = Activation::gelu});
       },
       3},
      {"LinearWithItsInputAsResidual",
       {{5, 7}, {7, 7}},
       [](Graph& g, const Vars& in) { return g.linear(in[0], in[1], {.residual = in[0]}); },
       2},
      {"LinearBesideALowRankOne",
       {{5, 7}, {6, 7}, {6}, {5, 6}, {2, 7}, {6, 2}},
       [](Graph& g, const Vars& in) {
         return beside(g, in, {.a = in[4], .b = in[5], .scale = 0.7f});
       },
       5},
      {"LinearBesideALowRankOneOfGivenLengths",
       {{5, 7}, {6, 7}, {6}, {5, 6}, {2, 7}, {6, 2}, {6}},
       [](Graph& g, const Vars& in) {
         return beside(g, in,
                       {.a = in[4],
                        .b = in[5],
                        .scale = 0.7f,
                        .magnitude = in[6],
                        .norms = g.floats(test::random_values(6, 3, 0.5f, 2.0f))});
       },
       7},
      {"AddBias", {{5, 7}, {7}}, [](Graph& g, const Vars& in) { return g.add_bias(in[0], in[1]); }},
      {"ScaleColumns",
       {{5, 7}, {7}},
       [](Graph& g, const Vars& in) {
         return g.scale_columns(in[0], in[1], g.floats(test::random_values(7, 3, 0.5f, 2.0f)));
       },
       2},
      {"Dropout",
       {{3, 11}},
       [](Graph& g, const Vars& in) {
         return g.dropout(in[0], {.share = 0.4f, .seed = 2, .stream = 1});
       }},
      {"EmbeddingWithARepeatedId",
       {{6, 4}},
       [](Graph& g, const Vars& in) {
         return g.embedding(in[0], g.integers(Ints{1, 3, 1, 0, 5}));
       }},
      {"RmsNorm",
       {{5, 7}, {7}},
       [](Graph& g, const Vars& in) { return g.rms_norm(in[0], in[1], 1e-6f); }},
      {"RmsNormByHead",
       {{3, 2, 9}, {9}},
       [](Graph& g, const Vars& in) { return g.rms_norm(in[0], in[1], 1e-2f); }},
      {"Swiglu",
       {{3, 11}, {3, 11}},
       [](Graph& g, const Vars& in) { return g.swiglu(in[0], in[1]); }},
      {"Gelu", {{3, 11}}, [](Graph& g, const Vars& in) { return g.gelu(in[0]); }},
      {"Add", {{3, 5}, {3, 5}}, [](Graph& g, const Vars& in) { return g.add(in[0], in[1]); }},
      {"AddToItself", {{3, 5}}, [](Graph& g, const Vars& in) { return g.add(in[0], in[0]); }},
      {"GatherRowsWithARepeatedRow",
       {{4, 5}},
       [](Graph& g, const Vars& in) {
         return g.gather_rows(in[0], g.integers(Ints{2, 0, 2}));
       }},
      {"ReshapeBetweenOtherOperations",
       {{4, 6}, {3}, {6, 6}},
       [](Graph& g, const Vars& in) {
         const Var heads = g.reshape(in[0], {4, 2, 3});
         const Var normed = g.rms_norm(g.add(heads, heads), in[1], 0.1f);
         return g.linear(g.reshape(normed, {4, 6}), in[2]);
       },
       3},
      {"RopeHalf", {{9, 2, 6}}, [](Graph& g, const Vars& in) { return rope(g, in[0], false); }},
      {"RopeInterleaved",
       {{9, 2, 6}},
       [](Graph& g, const Vars& in) { return rope(g, in[0], true); }},
      {"DawDecay",
       {{9, 2}, {2}, around(3.0f, {2})},
       [](Graph& g, const Vars& in) { return decay(g, in[0], in[1], in[2]); },
       5},
      {"DawDecayWithoutNewlines",
       {{9, 2}, {2}},
       [](Graph& g, const Vars& in) {
         return g.daw_decay(in[0], in[1], {}, {}, g.integers(kStart), {});
       },
       5},
      {"DawGain",
       {{4, 4, 3}, {4, 2}, {2}},
       [](Graph& g, const Vars& in) { return g.daw_gain(in[0], in[1], in[2]); }},
      {"Attention",
       {{9, 2, 6}, {9, 2, 6}, {9, 2, 6}},
       [](Graph& g, const Vars& in) {
         return g.attention(in[0], in[1], in[2], {}, g.integers(Ints(9, 0)), kAttention);
       }},
      {"AttentionOfGroupsInTwoDocumentsWithDecay",
       {{9, 4, 3}, {9, 2, 3}, {9, 2, 3}, {9, 2}},
       [](Graph& g, const Vars& in) {
         return g.attention(in[0], in[1], in[2], in[3], g.integers(kStart), kAttention);
       }},
      {"AttentionInAWindow",
       {{9, 2, 3}, {9, 1, 3}, {9, 1, 3}, {9, 1}},
       [](Graph& g, const Vars& in) {
         return g.attention(in[0], in[1], in[2], in[3], g.integers(kStart),
                            {.scale = 0.4f, .window = 3});
       }},
      {"Daw",
       {{9, 4}, {2, 4}, {2}, around(2.0f, {2}), {2, 4}, {2}, {9, 4, 3}, {9, 2, 3}, {9, 2, 3}},
       daw,
       8},
      {"CrossEntropyWithAnIgnoredRow",
       {{5, 7}},
       [](Graph& g, const Vars& in) {
         return g.cross_entropy(in[0], g.integers(Ints{3, 0, -1, 6, 3}));
       }},
  };
  return all;
}

Values random_inputs(const Case& c) {
  Values values;
  for (const Input& in : c.inputs)
    values.push_back(test::random_values(in.shape.elements(), values.size() + 1, in.middle - 1.0f,
                                         in.middle + 1.0f));
  return values;
}

std::vector<float> forward(const Case& c, const Values& values) {
  test::Rig rig({"ref"});
  Graph g(rig.backend(), rig.arena());
  Vars in;
  for (std::size_t i = 0; i < values.size(); ++i)
    in.push_back({rig.put(c.inputs[i].shape, values[i]), {}});
  return rig.get(c.build(g, in).value);
}

struct BackwardOptions {
  std::size_t frozen = std::size_t(-1);  // this input has no room for a gradient
  int times = 1;                         // backward after forward, so often
};

struct Backward {
  Values gradients, inputs_after;
};

// The gradient of sum(weights * result) of each input; none of a frozen one.
Backward backward(const Case& c, const Values& values, const std::vector<float>& weights,
                  const BackwardOptions& options = {}) {
  test::Rig rig({"ref"});
  Vars in;
  for (std::size_t i = 0; i < values.size(); ++i) {
    in.push_back({rig.put(c.inputs[i].shape, values[i]), {}});
    if (i != options.frozen)
      in[i].grad = rig.put(c.inputs[i].shape, std::vector<float>(values[i].size()));
  }
  for (int n = 0; n < options.times; ++n) {
    Graph g(rig.backend(), rig.arena(), Graph::Mode::training);
    const Var result = c.build(g, in);
    rig->copy_from_host(g.gradient(result), weights.data());
    g.backward();
  }
  Backward out;
  for (const Var& v : in) {
    out.gradients.push_back(v.grad.empty() ? std::vector<float>() : rig.get(v.grad));
    out.inputs_after.push_back(rig.get(v.value));
  }
  return out;
}

double weighted_sum(const std::vector<float>& weights, const std::vector<float>& result) {
  double sum = 0.0;
  for (std::size_t i = 0; i < result.size(); ++i) sum += double{weights[i]} * result[i];
  return sum;
}

// The step: rounding grows as 1/h, what the formula leaves out as h^4.
constexpr double kStep = 0x1p-6;

// (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h at element e of input i.
double slope(const Case& c, Values values, std::size_t i, std::size_t e,
             const std::vector<float>& weights) {
  const float x = values[i][e];
  const auto f = [&](double shift) {
    values[i][e] = static_cast<float>(x + shift);
    const double moved = double{values[i][e]} - x;  // as x is stored
    EXPECT_NEAR(moved, shift, 0x1p-24);
    return weighted_sum(weights, forward(c, values));
  };
  return (8.0 * (f(kStep) - f(-kStep)) - (f(2.0 * kStep) - f(-2.0 * kStep))) / (12.0 * kStep);
}

// What `slope` may be off by, with M the sum of |weights * result|:
//   rounding of each result by u, in four sums weighted 8, 8, 1, 1:  18/12 u M depth / h;
//   the formula: h^4 f'''''/30, and f''''' <= 5! M' for a function that is analytic within 1 of x
//   and at most M' there (Cauchy); M' is taken as four times the sum of |weights| and M.
double tolerance(const Case& c, const std::vector<float>& weights,
                 const std::vector<float>& result) {
  double size = 0.0, sum = 0.0;
  for (std::size_t i = 0; i < result.size(); ++i) {
    size += std::abs(double{weights[i]} * result[i]);
    sum += std::abs(double{weights[i]});
  }
  return 1.5 * test::kF32 * c.depth / kStep * size + 16.0 * std::pow(kStep, 4) * (sum + size);
}

class Slope : public testing::TestWithParam<Case> {
 protected:
  const Case& c_ = GetParam();
  const Values values_ = random_inputs(c_);
  const std::vector<float> result_ = forward(c_, values_);
  const std::vector<float> weights_ =
      test::random_values(static_cast<std::int64_t>(result_.size()), 77);
};

TEST_P(Slope, BackwardIsTheSlopeOfForward) {
  const Values gradients = backward(c_, values_, weights_).gradients;
  const double allowed = tolerance(c_, weights_, result_);
  for (std::size_t i = 0; i < values_.size(); ++i) {
    SCOPED_TRACE("input " + std::to_string(i));
    EXPECT_LT(allowed, 0.02 * test::largest(gradients[i])) << "the test would be blind";
    std::vector<float> slopes;
    for (std::size_t e = 0; e < values_[i].size(); ++e)
      slopes.push_back(static_cast<float>(slope(c_, values_, i, e, weights_)));
    EXPECT_TRUE(test::close(gradients[i], slopes, allowed));
  }
}

TEST_P(Slope, TwoWaysBackAddUp) {
  const Values once = backward(c_, values_, weights_).gradients;
  const Values twice = backward(c_, values_, weights_, {.times = 2}).gradients;
  for (std::size_t i = 0; i < once.size(); ++i) {
    std::vector<float> doubled = once[i];
    for (float& d : doubled) d *= 2.0f;
    // Where a gradient is added up from several operations, the second round meets other partial
    // sums: as many roundings as operations.
    EXPECT_TRUE(
        test::close(twice[i], doubled, test::roundings(8) * (1.0 + 2.0 * test::largest(once[i]))));
  }
}

TEST_P(Slope, AFrozenInputIsSkippedAndTheOthersDoNotChange) {
  const Values all = backward(c_, values_, weights_).gradients;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Values some = backward(c_, values_, weights_, {.frozen = i}).gradients;
    for (std::size_t j = 0; j < all.size(); ++j)
      EXPECT_EQ(some[j], j == i ? std::vector<float>() : all[j]) << i << " frozen, " << j;
  }
}

TEST_P(Slope, NoInputIsWrittenOver) {
  EXPECT_EQ(backward(c_, values_, weights_).inputs_after, values_);
}

INSTANTIATE_TEST_SUITE_P(Ref, Slope, testing::ValuesIn(cases()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace r1
