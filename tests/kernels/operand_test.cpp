// What a product would round may come to it rounded: no bit of the product changes.
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/nn/graph.h"
#include "tests/kernels/weight_form.h"
#include "tests/support/backends.h"
#include "tests/support/fails.h"

namespace r1 {
namespace {

using test::Rig;

constexpr std::int64_t kN = 20;

Tensor weight(Rig& rig, DType dtype, std::int64_t K, DType compute = DType::bf16) {
  return rig.loaded_weight({kN, K}, test::random_values(kN * K, 1), dtype, compute);
}

// Of 16 bits, all NaN.
Tensor unwritten(Rig& rig, const Shape& shape, DType dtype) {
  const Tensor t = rig.arena().take(shape, dtype);
  const std::vector<std::uint16_t> nan(test::count(shape), 0xffff);
  rig->copy_from_host(t, nan.data());
  return t;
}

TEST(Operand, IsRoundedWhereTensorCoresReadWholeRows) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    Rig rig(candidate);
    const bool cuda = candidate.name.starts_with("cuda");
    const auto type = [&](const Tensor& w, std::int64_t T) { return rig->operand_type(w, T); };
    for (const DType dtype : test::kWeightTypes) {
      SCOPED_TRACE(candidate.name + " " + std::string(to_string(dtype)));
      const DType wanted = !cuda ? DType::f32 : dtype == DType::f16 ? DType::f16 : DType::bf16;
      const Tensor w = weight(rig, dtype, 256);
      EXPECT_EQ(type(w, 9), wanted);
      EXPECT_EQ(type(w, 2000), wanted);
      EXPECT_EQ(type(w, 8), candidate.invariant() ? wanted : DType::f32);
    }
    EXPECT_EQ(type(weight(rig, DType::bf16, 192), 9), DType::f32);
    EXPECT_EQ(type(weight(rig, DType::f32, 256, DType::f32), 9), DType::f32);
  }
}

// Values beyond the largest of f16 too, and rows that a block of threads shares.
TEST(Operand, RoundedOnItsWayOutGivesTheSameProduct) {
  for (const test::Candidate& candidate : test::backends()) {
    Rig rig(candidate);
    for (const DType dtype : test::kWeightTypes)
      for (const std::int64_t T : {1, 9, 67, 1024})
        for (const std::int64_t K : {256, 1280}) {
          if (K > 256 && T != 9) continue;                  // slow on the host
          if (T == 1024 && dtype != DType::q4_k) continue;  // the library's, as 67 are of others
          SCOPED_TRACE(candidate.name + " " + std::string(to_string(dtype)) + " " +
                       to_string(Shape{T, K}));
          const Tensor w = weight(rig, dtype, K);
          const DType type = rig->operand_type(w, T);
          if (type == DType::f32) continue;
          const Tensor a = rig.put({T, K}, test::random_values(T * K, 2, -1e6f, 1e6f));
          const Tensor b = rig.put({T, K}, test::random_values(T * K, 3));
          const Tensor scale = rig.put({K}, test::random_values(K, 4));
          const auto product = [&](const Tensor& x, bool norm) {
            norm ? rig->rms_norm(x, {}, a, scale, 1e-5f) : rig->swiglu(x, b, a);
            const Tensor y = rig.unwritten({T, kN});
            rig->linear(y, x, w, {});
            return rig.get(y);
          };
          for (const bool norm : {true, false})
            EXPECT_EQ(product(unwritten(rig, {T, K}, type), norm),
                      product(rig.unwritten({T, K}), norm))
                << (norm ? "rms_norm" : "swiglu");
        }
  }
}

TEST(Operand, OfAnotherTypeIsRefused) {
  Rig rig({"cuda-host"});
  const Tensor w = weight(rig, DType::bf16, 128), y = rig.unwritten({9, kN});
  EXPECT_FAILS(ErrorKind::model, "of another type",
               rig->linear(y, unwritten(rig, {9, 128}, DType::f16), w, {}));
}

// A network of one layer, whose hidden values all readers take in one type, or do not.
TEST(Operand, AGraphStoresWhatItsReadersTake) {
  constexpr std::int64_t kT = 9, kD = 128;
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    SCOPED_TRACE(candidate.name);
    Rig rig(candidate);
    const auto square = [&](DType dtype, std::uint64_t seed) {
      return Var{rig.loaded_weight({kD, kD}, test::random_values(kD * kD, seed), dtype, dtype), {}};
    };
    const Var gate = square(DType::bf16, 1), up = square(DType::bf16, 2);
    const Var down = square(DType::bf16, 3), exact = square(DType::f32, 4);
    const Var x{rig.put({kT, kD}, test::random_values(kT * kD, 5)), {}};
    const Var norm{rig.put({kD}, test::random_values(kD, 6)), {}};
    const auto wanted = candidate.name.starts_with("cuda") ? DType::bf16 : DType::f32;
    const auto run = [&](Graph& g, DType type) {
      const Var n = g.rms_norm(x, norm, 1e-5f, {gate, Var{}, up});
      const Var h = g.swiglu(g.linear(n, gate), g.linear(n, up), {down});
      EXPECT_EQ(n.value.dtype, type);
      EXPECT_EQ(h.value.dtype, type);
      return rig.get(g.linear(h, down).value);
    };
    Graph plain(rig.backend(), rig.arena()), watched(rig.backend(), rig.arena());
    watched.watch_products([](const Tensor&, const Tensor&) {});
    EXPECT_EQ(run(plain, wanted), run(watched, DType::f32));
    EXPECT_EQ(plain.rms_norm(x, norm, 1e-5f, {gate, exact}).value.dtype, DType::f32);
    EXPECT_EQ(plain.rms_norm(x, norm, 1e-5f).value.dtype, DType::f32);
    Graph training(rig.backend(), rig.arena(), Graph::Mode::training);
    EXPECT_EQ(training.rms_norm(x, norm, 1e-5f, {gate}).value.dtype, DType::f32);
    Graph replaced(rig.backend(), rig.arena());
    replaced.replace_weights([](const Tensor& w) { return w; });
    EXPECT_EQ(replaced.rms_norm(x, norm, 1e-5f, {gate}).value.dtype, DType::f32);
  }
}

}  // namespace
}  // namespace r1
