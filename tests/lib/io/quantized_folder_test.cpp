// Folders of quantized weights: what is stored by the descriptions of the formats is read as the
// numbers that it means.
#include "lib/io/quantized_folder.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "lib/io/weights.h"
#include "lib/tensor/float8.h"
#include "lib/tensor/quant_block.h"
#include "tests/support/fails.h"
#include "tests/support/quantized_weights.h"

namespace r1 {
namespace {

using test::IntegerMatrix;
using test::Tensors;
using Kind = ErrorKind;

const std::string kModule = "model.layers.0.mlp.up_proj";
const std::string kWeight = kModule + ".weight";

std::string int_config(int bits, std::int64_t group, bool symmetric) {
  return fmt::format(
      R"({{"quant_method":"compressed-tensors","format":"pack-quantized","ignore":["lm_head"],
          "config_groups":{{"group_0":{{"targets":["Linear"],"input_activations":null,"weights":
          {{"num_bits":{},"type":"int","strategy":"group","group_size":{},"symmetric":{},
          "dynamic":false}}}}}}}})",
      bits, group, symmetric);
}
std::string gptq_config(int bits, std::int64_t group, bool desc_act, const char* more = "") {
  return fmt::format(R"({{"quant_method":"gptq","bits":{},"group_size":{},"desc_act":{}{}}})", bits,
                     group, desc_act, more);
}
std::string awq_config(std::int64_t group) {
  return fmt::format(
      R"({{"quant_method":"awq","bits":4,"group_size":{},"zero_point":true,"version":"gemm"}})",
      group);
}
const char* const kFp8Blocks =
    R"({"quant_method":"fp8","fmt":"e4m3","weight_block_size":[128,128],
        "activation_scheme":"dynamic"})";
const char* const kFp8Channels =
    R"({"quant_method":"compressed-tensors","format":"float-quantized","config_groups":{"group_0":{
        "targets":["Linear"],"weights":{"num_bits":8,"type":"float","strategy":"channel",
        "symmetric":true,"dynamic":false},"input_activations":{"num_bits":8,"type":"float",
        "strategy":"token","dynamic":true}}}})";

ModelFiles folder(const Tensors& tensors, const std::string& quantization) {
  return ModelFiles::of_folder(
      parse_json("{\"quantization_config\":" + quantization + "}", "config.json"), tensors.named());
}

std::vector<float> numbers(const ModelFiles& files, const std::string& name = kWeight) {
  const Tensor& t = *files.find(name);
  files.fetch(t);
  std::vector<float> values(static_cast<std::size_t>(t.shape.elements()));
  unpack(values, t.data, t.dtype);
  return values;
}

// Scales that f16 and bf16 both hold.
IntegerMatrix matrix(std::size_t N, std::size_t K, std::size_t group, unsigned bits, bool zeros) {
  std::mt19937 random(static_cast<unsigned>(N * 1000 + K));
  IntegerMatrix m{.N = N, .K = K, .group = group, .bits = bits};
  for (std::size_t i = 0; i < N * K; ++i)
    m.level.push_back(static_cast<unsigned>(random() % (1u << bits)));
  for (std::size_t i = 0; i < N * m.G(); ++i) {
    m.scale.push_back(static_cast<float>(128 + random() % 128) * 0x1p-15f *
                      (random() % 2 == 0 ? 1.0f : -1.0f));
    m.zero.push_back(zeros ? static_cast<unsigned>(1 + random() % ((1u << bits) - 1))
                           : 1u << (bits - 1));
  }
  for (std::size_t k = 0; k < K; ++k) m.g_idx.push_back(static_cast<std::int32_t>(k / group));
  return m;
}

// Every number is the one meant, in this type: rounded once.
void expect_read(const ModelFiles& files, const IntegerMatrix& m, DType dtype) {
  const Tensor* t = files.find(kWeight);
  ASSERT_NE(t, nullptr);
  EXPECT_EQ(files.tensors().size(), 1u);
  EXPECT_EQ(to_string(t->dtype), to_string(dtype));
  EXPECT_EQ(t->shape, (Shape{std::int64_t(m.N), std::int64_t(m.K)}));
  const std::vector<float> have = numbers(files);
  for (std::size_t n = 0; n < m.N; ++n)
    for (std::size_t k = 0; k < m.K; ++k) {
      auto want = static_cast<float>(m.value(n, k));
      if (dtype == DType::f16) want = f16_to_f32(f32_to_f16(want));
      if (dtype == DType::bf16) want = bf16_to_f32(f32_to_bf16(want));
      ASSERT_EQ(have[n * m.K + k], want) << n << ", " << k;
    }
}

TEST(QuantizedFolder, PackQuantizedBecomesTheSameNumbersInBlocks) {
  for (const unsigned bits : {4u, 8u})
    for (const std::size_t group : {32u, 64u, 128u, 384u}) {
      SCOPED_TRACE(fmt::format("{} bits, groups of {}", bits, group));
      IntegerMatrix m = matrix(5, 384, group, bits, false);
      for (const DType scales : {DType::f16, DType::bf16, DType::f32}) {
        m.scale_type = scales;
        Tensors tensors;
        m.add_compressed(tensors, kModule, false);
        const std::int64_t said = group == 384 ? -1 : std::int64_t(group);
        expect_read(folder(tensors, int_config(int(bits), said, true)), m,
                    bits == 4 ? DType::q4_0 : DType::q8_0);
      }
    }
}

TEST(QuantizedFolder, WhatBlocksCannotHoldIsRoundedOnceToTheTypeOfItsScales) {
  for (const DType scales : {DType::f16, DType::bf16, DType::f32}) {
    SCOPED_TRACE(to_string(scales));
    IntegerMatrix odd = matrix(3, 36, 12, 4, false);  // rows of 36: padded words, no blocks
    odd.scale_type = scales;
    Tensors tensors;
    odd.add_compressed(tensors, kModule, false);
    expect_read(folder(tensors, int_config(4, 12, true)), odd, scales);

    IntegerMatrix asymmetric = matrix(11, 64, 32, 4, true);  // 11 zero points: padded words
    asymmetric.scale_type = scales;
    Tensors more;
    asymmetric.add_compressed(more, kModule, true);
    expect_read(folder(more, int_config(4, 32, false)), asymmetric, scales);
  }
  IntegerMatrix small = matrix(3, 64, 32, 4, false);
  small.scale[4] = 0x1.02p-24f;  // bf16 holds it, f16 does not
  small.scale_type = DType::bf16;
  Tensors tensors;
  small.add_compressed(tensors, kModule, false);
  expect_read(folder(tensors, int_config(4, 32, true)), small, DType::bf16);
}

TEST(QuantizedFolder, ColumnsBelongToTheGroupThatTheIndexNames) {
  for (const bool gptq : {false, true}) {
    IntegerMatrix m = matrix(8, 96, 32, 4, false);
    for (std::size_t k = 0; k < m.K; ++k) m.g_idx[k] = static_cast<std::int32_t>(k % 3);
    Tensors tensors;
    if (gptq) {
      m.add_gptq(tensors, kModule, 1);
    } else {
      m.add_compressed(tensors, kModule, false);
      m.add_g_idx(tensors, kModule + ".weight_g_idx");
    }
    expect_read(folder(tensors, gptq ? gptq_config(4, 32, true) : int_config(4, 32, true)), m,
                DType::f16);
  }
}

TEST(QuantizedFolder, GptqKeepsZeroPointsLessOneInItsFirstVersion) {
  for (const unsigned bits : {4u, 8u})
    for (const bool zeros : {false, true})
      for (const unsigned less : {0u, 1u}) {
        SCOPED_TRACE(fmt::format("{} bits, less {}", bits, less));
        const IntegerMatrix m = matrix(24, 128, 64, bits, zeros);
        Tensors tensors;
        m.add_gptq(tensors, kModule, less);
        const char* version =
            less == 1 ? R"(,"checkpoint_format":"gptq")" : R"(,"checkpoint_format":"gptq_v2")";
        const DType blocks = bits == 4 ? DType::q4_0 : DType::q8_0;
        expect_read(folder(tensors, gptq_config(int(bits), 64, false, version)), m,
                    zeros ? DType::f16 : blocks);
      }
}

TEST(QuantizedFolder, AwqHasItsOwnOrderWithinAWord) {
  for (const bool zeros : {false, true}) {
    const IntegerMatrix m = matrix(40, 96, 32, 4, zeros);
    Tensors tensors;
    m.add_awq(tensors, kModule);
    expect_read(folder(tensors, awq_config(32)), m, zeros ? DType::f16 : DType::q4_0);
  }
}

// E4M3 in all of its finite values, in a matrix of odd sizes, with scales of `rows` by `cols`.
struct Float8Matrix {
  std::size_t N, K, rows, cols;
  std::vector<std::uint8_t> weight = {};
  std::vector<float> scale = {};

  Float8Matrix(std::size_t n, std::size_t k, std::size_t block_rows, std::size_t block_cols)
      : N(n), K(k), rows(block_rows), cols(block_cols) {
    std::mt19937 random(7);
    for (std::size_t i = 0; i < N * K; ++i) {
      const auto byte = static_cast<std::uint8_t>(random());
      weight.push_back((byte & 0x7F) == 0x7F ? 0 : byte);
    }
    for (std::size_t i = 0; i < (N + rows - 1) / rows * across(); ++i)
      scale.push_back(static_cast<float>(random() % 1000 + 1) * 0x1.3p-13f);
  }
  std::size_t across() const { return (K + cols - 1) / cols; }
  void expect(const ModelFiles& files, bool halves) const {
    ASSERT_NE(files.find(kWeight), nullptr);
    EXPECT_EQ(files.find(kWeight)->dtype, DType::bf16);
    EXPECT_EQ(files.tensors().size(), 1u);
    const std::vector<float> have = numbers(files);
    for (std::size_t n = 0; n < N; ++n)
      for (std::size_t k = 0; k < K; ++k) {
        float s = scale[n / rows * across() + k / cols];
        if (halves) s = bf16_to_f32(f32_to_bf16(s));
        const float want = float8_to_f32<E4M3>(weight[n * K + k]) * s;
        ASSERT_EQ(have[n * K + k], bf16_to_f32(f32_to_bf16(want))) << n << ", " << k;
      }
  }
  void add(Tensors& out, const std::string& part, const Shape& shape, bool halves) const {
    out.add(kWeight, {std::int64_t(N), std::int64_t(K)}, DType::f8_e4m3, weight);
    if (!halves) return out.add(kModule + "." + part, shape, DType::f32, scale);
    std::vector<std::uint16_t> bits;
    for (const float s : scale) bits.push_back(f32_to_bf16(s));
    out.add(kModule + "." + part, shape, DType::bf16, bits);
  }
};

TEST(QuantizedFolder, Fp8IsTimesTheScaleOfItsBlock) {
  const Float8Matrix m(131, 257, 128, 128);
  for (const bool halves : {false, true}) {
    Tensors tensors;
    m.add(tensors, "weight_scale_inv", {2, 3}, halves);
    m.expect(folder(tensors, kFp8Blocks), halves);
  }
}

TEST(QuantizedFolder, Fp8IsTimesTheScaleOfItsRowOrTensor) {
  for (const bool halves : {false, true}) {
    const Float8Matrix rows(7, 33, 1, 33);
    for (const Shape& shape : {Shape{7, 1}, Shape{7}}) {
      Tensors tensors;
      rows.add(tensors, "weight_scale", shape, halves);
      tensors.add(kModule + ".input_scale", {1}, DType::f32, std::vector<float>{1});  // not used
      rows.expect(folder(tensors, kFp8Channels), halves);
    }
    const Float8Matrix whole(7, 33, 7, 33);
    Tensors tensors;
    whole.add(tensors, "weight_scale", {1}, halves);
    whole.expect(folder(tensors, kFp8Channels), halves);
  }
}

TEST(QuantizedFolder, TheBlocksOfFp8AreAPairOfNumbersOrAWord) {
  const Float8Matrix m(131, 257, 128, 128);
  for (const std::string said : {"[128,128]", R"("128x128")"}) {
    Tensors tensors;
    m.add(tensors, "weight_scale", {2, 3}, false);
    const std::string config =
        R"({"quant_method":"compressed-tensors","format":"float-quantized","config_groups":{"g":)"
        R"({"weights":{"num_bits":8,"type":"float","strategy":"block","block_structure":)" +
        said + "}}}}";
    m.expect(folder(tensors, config.c_str()), false);
  }
}

TEST(QuantizedFolder, ModulesThatAreLeftOutStayAsTheyAre) {
  const IntegerMatrix m = matrix(5, 64, 32, 4, false);
  Tensors tensors;
  m.add_compressed(tensors, kModule, false);
  tensors.add("lm_head.weight", {1, 2}, DType::f32, std::vector<float>{3, 4});
  const ModelFiles files = folder(tensors, int_config(4, 32, true));
  EXPECT_EQ(files.tensors().size(), 2u);
  EXPECT_EQ(numbers(files, "lm_head.weight"), (std::vector<float>{3, 4}));
  EXPECT_FALSE(files.was_quantized(*files.find("lm_head.weight")));
  EXPECT_TRUE(files.was_quantized(*files.find(kWeight)));
}

TEST(QuantizedFolder, AWeightIsMadeAnewAfterItsRelease) {
  const IntegerMatrix m = matrix(5, 64, 32, 4, false);
  Tensors tensors;
  m.add_compressed(tensors, kModule, false);
  const ModelFiles files = folder(tensors, int_config(4, 32, true));
  const std::vector<float> before = numbers(files);
  files.release(*files.find(kWeight));
  EXPECT_EQ(numbers(files), before);
}

TEST(QuantizedFolder, AutoGptqsBiasesOfZerosAreNone) {
  const IntegerMatrix m = matrix(8, 32, 32, 4, false);
  Tensors tensors;
  m.add_gptq(tensors, kModule, 1);
  tensors.add(kModule + ".bias", {8}, DType::f16, std::vector<std::uint16_t>(8));
  EXPECT_EQ(folder(tensors, gptq_config(4, 32, false)).find(kModule + ".bias"), nullptr);
  tensors.at(kModule + ".bias").as<std::uint16_t>()[7] = 1;
  EXPECT_NE(folder(tensors, gptq_config(4, 32, false)).find(kModule + ".bias"), nullptr);
}

// --- What lies -----------------------------------------------------------------------------------

struct Lie {
  const char* says;
  std::function<void(Tensors&)> lie;
  Kind kind = Kind::model;
};

void expect_refused(const std::function<void(Tensors&)>& honest, const std::string& config,
                    const std::vector<Lie>& lies) {
  for (const Lie& lie : lies) {
    Tensors tensors;
    honest(tensors);
    EXPECT_EQ(test::failure([&] { numbers(folder(tensors, config)); }), "nothing");
    lie.lie(tensors);
    EXPECT_FAILS(lie.kind, lie.says, numbers(folder(tensors, config)));
    const std::string why = test::failure([&] { numbers(folder(tensors, config)); });
    EXPECT_NE(why.find("config.json: " + kModule), std::string::npos) << why;
  }
}

std::function<void(Tensors&)> drop(const std::string& part) {
  return [part](Tensors& t) { t.drop(kModule + "." + part); };
}
std::function<void(Tensors&)> shape(const std::string& part, const Shape& now) {
  return [part, now](Tensors& t) { t.at(kModule + "." + part).shape = now; };
}
std::function<void(Tensors&)> type(const std::string& part, DType now) {
  return [part, now](Tensors& t) { t.at(kModule + "." + part).dtype = now; };
}
template <typename T>
std::function<void(Tensors&)> first(const std::string& part, T value) {
  return [part, value](Tensors& t) { t.at(kModule + "." + part).as<T>()[0] = value; };
}

TEST(QuantizedFolder, PackQuantizedThatLiesIsRefused) {
  const IntegerMatrix m = matrix(16, 64, 32, 4, true);
  expect_refused(
      [&](Tensors& t) {
        m.add_compressed(t, kModule, true);
        m.add_g_idx(t, kModule + ".weight_g_idx");
      },
      int_config(4, 32, false),
      {{"weight_scale is missing", drop("weight_scale")},
       {"weight_shape is missing", drop("weight_shape")},
       {"weight_zero_point is missing", drop("weight_zero_point")},
       {"weight_packed is [16, 7] of i32, not [16, 8] of i32", shape("weight_packed", {16, 7})},
       {"weight_packed is [16, 8] of f32, not", type("weight_packed", DType::f32)},
       {"weight_scale is [16, 1], not [16, 2]", shape("weight_scale", {16, 1})},
       {"weight_scale is of i32, not of f32", type("weight_scale", DType::i32)},
       {"weight_shape is [1] of i64, not two", shape("weight_shape", {1})},
       {"weight_shape says [-1, 64]", first<std::int64_t>("weight_shape", -1)},
       {"weight_shape says [4611686018427387904, 64]",
        first<std::int64_t>("weight_shape", std::int64_t{1} << 62)},
       {"weight_packed is [16, 8] of i32, not [15, 8]", first<std::int64_t>("weight_shape", 15)},
       {"rows of 65, which groups of 32 do not divide",
        [](Tensors& t) { t.at(kModule + ".weight_shape").as<std::int64_t>()[1] = 65; }},
       {"weight_zero_point is [2, 1] of i32, not [2, 2]", shape("weight_zero_point", {2, 1})},
       {"puts column 0 into group 2 of 2", first<std::int32_t>("weight_g_idx", 2)},
       {"puts column 0 into group -1 of 2", first<std::int32_t>("weight_g_idx", -1)},
       {"weight_g_idx is [63] of i32, not [64]", shape("weight_g_idx", {63})},
       {"holds nan in row 0", first<std::uint16_t>("weight_scale", 0x7E00)},
       {"holds inf in row 0", first<std::uint16_t>("weight_scale", 0x7C00)},
       {"holds 65504 in row 0", first<std::uint16_t>("weight_scale", 0x7BFF)}});
}

TEST(QuantizedFolder, GptqThatLiesIsRefused) {
  const IntegerMatrix m = matrix(16, 64, 32, 4, false);
  expect_refused([&](Tensors& t) { m.add_gptq(t, kModule, 1); }, gptq_config(4, 32, true),
                 {{"qzeros is missing", drop("qzeros")},
                  {"scales is missing", drop("scales")},
                  {"g_idx is missing", drop("g_idx")},
                  {"qweight is [128]", shape("qweight", {128})},
                  {"qweight is [8, 15]", shape("qweight", {8, 15})},
                  {"rows of 56, which groups of 32 do not divide", shape("qweight", {7, 16})},
                  {"qweight holds no weight", shape("qweight", {0, 16})},
                  {"qzeros is [2, 1] of i32, not [2, 2]", shape("qzeros", {2, 1})},
                  {"scales is [2, 15], not [2, 16]", shape("scales", {2, 15})},
                  {"puts column 0 into group 9 of 2", first<std::int32_t>("g_idx", 9)},
                  {"holds nan in row 0", first<std::uint16_t>("scales", 0x7E00)}});
}

TEST(QuantizedFolder, AwqThatLiesIsRefused) {
  const IntegerMatrix m = matrix(16, 64, 32, 4, true);
  expect_refused([&](Tensors& t) { m.add_awq(t, kModule); }, awq_config(32),
                 {{"qzeros is missing", drop("qzeros")},
                  {"scales is missing", drop("scales")},
                  {"qweight is [128]", shape("qweight", {128})},
                  {"rows of 63, which groups of 32 do not divide", shape("qweight", {63, 2})},
                  {"qzeros is [1, 2] of i32, not [2, 2]", shape("qzeros", {1, 2})},
                  {"scales is [1, 16], not [2, 16]", shape("scales", {1, 16})},
                  {"holds inf in row 0", first<std::uint16_t>("scales", 0x7C00)}});
}

TEST(QuantizedFolder, Fp8ThatLiesIsRefused) {
  const Float8Matrix m(131, 257, 128, 128);
  expect_refused(
      [&](Tensors& t) {
        m.add(t, "weight_scale_inv", {2, 3}, false);
      },
      kFp8Blocks,
      {{"weight_scale is missing", drop("weight_scale_inv")},
       {"which does not scale [131, 257]", shape("weight_scale_inv", {2, 2})},
       {"weight is [33667], which is no matrix", shape("weight", {33667})},
       {"is of i32", type("weight_scale_inv", DType::i32)},
       {"holds nan for row 0", first<float>("weight_scale_inv", NAN)},
       {"holds inf for row 0", first<float>("weight_scale_inv", INFINITY)}});
}

TEST(QuantizedFolder, WhatIsNotReadIsNamed) {
  const Tensors none;
  const auto refused = [&](const char* config, const char* says, Kind kind = Kind::format) {
    EXPECT_FAILS(kind, says, folder(none, config));
  };
  refused(R"({"quant_method":"bitsandbytes"})", "quant_method is 'bitsandbytes'");
  refused(R"({})", "quant_method is ''");
  refused(R"({"quant_method":7})", "quant_method", Kind::decode);
  refused(R"({"quant_method":"fp8","fmt":"e5m2"})", "fmt is 'e5m2', and only e4m3 is read");
  refused(R"({"quant_method":"fp8","weight_block_size":[128]})", "no pair", Kind::model);
  refused(R"({"quant_method":"fp8","weight_block_size":[0,128]})", "is 0 by 128", Kind::model);
  refused(R"({"quant_method":"fp8","weight_block_size":[128,9000000000000000000]})",
          "is 128 by 9000000000000000000", Kind::model);
  refused(R"({"quant_method":"gptq","bits":3,"group_size":128})", "bits is 3");
  refused(R"({"quant_method":"gptq","bits":4,"checkpoint_format":"marlin"})", "'marlin'");
  refused(R"({"quant_method":"awq","bits":4,"version":"gemv"})", "version is 'gemv'");
  refused(R"({"quant_method":"awq","bits":8})", "bits is 8");
  refused(R"({"quant_method":"compressed-tensors","format":"nvfp4-pack-quantized"})",
          "format is 'nvfp4-pack-quantized'");
  refused(R"({"quant_method":"fp8","weight_block_size":"128 x 128"})", "no pair", Kind::model);
  refused(R"({"quant_method":"compressed-tensors","format":"pack-quantized"})",
          "config_groups is missing", Kind::model);
  refused(R"({"quant_method":"compressed-tensors","format":"pack-quantized",
              "transform_config":{"config_groups":{}}})",
          "transform_config turns what is multiplied");
  refused(R"({"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":
              {"f":null,"g":{"weights":{"num_bits":4,"type":"float"}}}})",
          "are 4 bits of float");
  refused(R"({"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":
              {"g":{"weights":{"num_bits":4,"type":"int","group_size":32}},
               "h":{"weights":{"num_bits":4,"type":"int","group_size":64}}}})",
          "h: weights differs from another group");
}

TEST(QuantizedFolder, GroupSizesAreChecked) {
  const IntegerMatrix m = matrix(16, 64, 32, 4, false);
  for (const std::int64_t size : {std::int64_t{0}, std::int64_t{-2}, std::int64_t{33},
                                  std::int64_t{128}, std::int64_t{INT64_MAX}}) {
    Tensors tensors;
    m.add_gptq(tensors, kModule, 1);
    EXPECT_FAILS(Kind::model, fmt::format("groups of {} do not divide", size),
                 folder(tensors, gptq_config(4, size, false)));
  }
}

}  // namespace
}  // namespace r1
