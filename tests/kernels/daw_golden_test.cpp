// DAW as PyTorch computes it in float64, forward and every gradient:
// scripts/reference/daw_golden.py.
#include <cmath>
#include <map>

#include "lib/base/bytes.h"
#include "lib/io/safetensors.h"
#include "lib/nn/graph.h"
#include "tests/support/kernel_test.h"

namespace r1 {
namespace {

using test::Rig;
using Floats = std::vector<float>;

const std::vector<std::string> kInputs = {"x", "w", "b", "l", "w2", "b2", "q", "k", "v"};

// One file of tests/models/daw.
class Golden {
 public:
  explicit Golden(int seed)
      : file_(R1_SOURCE_DIR "/tests/models/daw/seed_" + std::to_string(seed) + ".safetensors"),
        parsed_(parse_safetensors(file_.bytes(), "golden")) {
    for (const NamedTensor& t : parsed_.tensors) tensors_[t.name] = t.tensor;
  }
  const Shape& shape(const std::string& name) const { return tensors_.at(name).shape; }
  template <typename T = float>
  std::vector<T> values(const std::string& name) const {
    const Tensor& t = tensors_.at(name);
    return {t.as<T>(), t.as<T>() + t.shape.elements()};
  }

 private:
  MappedFile file_;
  SafetensorsFile parsed_;
  std::map<std::string, Tensor> tensors_;
};

// A, out and the gradients, each under the name it has in the file.
std::map<std::string, Floats> run(Rig& rig, const Golden& golden) {
  Graph g(rig.backend(), rig.arena(), Graph::Mode::training);
  std::map<std::string, Var> in;
  for (const std::string& name : kInputs) {
    in[name] = g.make(golden.shape(name));
    rig->copy_from_host(in[name].value, golden.values(name).data());
  }
  const Tensor newline = g.integers(golden.values<std::int32_t>("newline"));
  const Tensor start = g.integers(golden.values<std::int32_t>("start"));
  const float scale = 1.0f / std::sqrt(static_cast<float>(golden.shape("q")[2]));
  const Var A = g.daw_decay(g.linear(in["x"], in["w"]), in["b"], in["l"], newline, start, {});
  const Var q = g.daw_gain(in["q"], g.linear(in["x"], in["w2"]), in["b2"]);
  const Var out = g.attention(q, in["k"], in["v"], A, start, {.scale = scale});
  rig->copy_from_host(g.gradient(out), golden.values("weights").data());
  g.backward();
  std::map<std::string, Floats> all = {{"A", rig.get(A.value)}, {"out", rig.get(out.value)}};
  for (const std::string& name : kInputs) all["d" + name] = rig.get(in[name].grad);
  return all;
}

// Each number is a chain of some eight roundings of numbers as large as the largest of its tensor;
// backends that sum in f32 add up hd, T and two heads on the way.
double tolerance(const std::string& backend, const Floats& want) {
  const double size = std::fmax(1.0, test::largest(want));
  return size * (backend == "ref" ? 1e-6 : 4.0 * (test::roundings(8 + 37 + 2) + test::kFunction));
}

TEST(DawGolden, ForwardAndEveryGradientAreThoseOfPyTorch) {
  for (const int seed : {1, 2, 3}) {
    const Golden golden(seed);
    for (const test::Candidate& candidate : test::backends_and_ref()) {
      Rig rig(candidate);
      for (const auto& [name, got] : run(rig, golden)) {
        const Floats want = golden.values(name);
        EXPECT_TRUE(test::close(got, want, tolerance(candidate.name, want)))
            << candidate.name << ", seed " << seed << ", " << name;
      }
    }
  }
}

}  // namespace
}  // namespace r1
