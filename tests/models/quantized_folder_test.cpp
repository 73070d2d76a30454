// A checkpoint quantized into each format of Hugging Face folders gives the logits of its own
// weights made plain, to the bit.
#include <cmath>

#include <gtest/gtest.h>

#include "lib/tensor/float8.h"
#include "tests/support/edited_model.h"
#include "tests/support/quantized_weights.h"

namespace r1 {
namespace {

using test::IntegerMatrix;
using test::Tensors;

enum class Format { fp8_block, fp8_channel, packed, packed_zeros, gptq, gptq_ordered, awq };
constexpr std::size_t kGroup = 8, kBlock = 5;

const char* config_of(Format format) {
  switch (format) {
    case Format::fp8_block:
      return R"({"quant_method":"fp8","weight_block_size":[5,5]})";
    case Format::fp8_channel:
      return R"({"quant_method":"compressed-tensors","format":"float-quantized","config_groups":
                 {"group_0":{"weights":{"num_bits":8,"type":"float","strategy":"channel"}}}})";
    case Format::packed:
      return R"({"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":
                 {"group_0":{"weights":{"num_bits":4,"type":"int","group_size":8}}}})";
    case Format::packed_zeros:
      return R"({"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":
                 {"group_0":{"weights":{"num_bits":4,"type":"int","group_size":8,
                 "symmetric":false}}}})";
    case Format::gptq:
      return R"({"quant_method":"gptq","bits":4,"group_size":8,"desc_act":false})";
    case Format::gptq_ordered:
      return R"({"quant_method":"gptq","bits":4,"group_size":8,"desc_act":true})";
    case Format::awq:
      return R"({"quant_method":"awq","bits":4,"group_size":8,"version":"gemm"})";
  }
  return "";
}

class Quantizer {
 public:
  explicit Quantizer(Format format) : format_(format) {}

  // The weight's tensors in the format; `plain` becomes what they mean.
  void add(Tensors& out, const std::string& module, const Tensor& weight,
           std::vector<float>& plain) {
    if (format_ == Format::fp8_block || format_ == Format::fp8_channel)
      add_float8(out, module, weight, plain);
    else
      add_integers(out, module, weight, plain);
  }

 private:
  void add_float8(Tensors& out, const std::string& module, const Tensor& w,
                  std::vector<float>& plain) const {
    const auto N = static_cast<std::size_t>(w.rows()), K = static_cast<std::size_t>(w.cols());
    const bool blocks = format_ == Format::fp8_block;
    const std::size_t rows = blocks ? kBlock : 1, cols = blocks ? kBlock : K;
    const std::size_t down = (N + rows - 1) / rows, across = (K + cols - 1) / cols;
    std::vector<float> scale(down * across, 0.0f);
    const auto at = [&](std::size_t i) -> float& {
      return scale[i / K / rows * across + i % K / cols];
    };
    for (std::size_t i = 0; i < N * K; ++i)
      at(i) = std::max(at(i), std::abs(w.as<float>()[i]) / 448.0f);
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < N * K; ++i) {
      bytes.push_back(f32_to_float8<E4M3>(w.as<float>()[i] / at(i)));
      plain[i] = bf16_to_f32(f32_to_bf16(float8_to_f32<E4M3>(bytes.back()) * at(i)));
    }
    out.add(module + ".weight", w.shape, DType::f8_e4m3, bytes);
    out.add(module + (blocks ? ".weight_scale_inv" : ".weight_scale"),
            {static_cast<std::int64_t>(down), static_cast<std::int64_t>(across)}, DType::f32,
            scale);
  }

  void add_integers(Tensors& out, const std::string& module, const Tensor& w,
                    std::vector<float>& plain) const {
    const bool zeros = format_ == Format::packed_zeros || format_ == Format::awq;
    IntegerMatrix m{.N = static_cast<std::size_t>(w.rows()),
                    .K = static_cast<std::size_t>(w.cols()),
                    .group = kGroup};
    for (std::size_t k = 0; k < m.K; ++k)
      m.g_idx.push_back(
          static_cast<std::int32_t>(format_ == Format::gptq_ordered ? k % m.G() : k / m.group));
    for (std::size_t i = 0; i < m.N * m.G(); ++i) {
      m.zero.push_back(zeros ? static_cast<unsigned>(5 + i % 7) : 8u);
      m.scale.push_back(f16_to_f32(f32_to_f16(0.01f + 0.001f * static_cast<float>(i % 5))));
    }
    for (std::size_t i = 0; i < m.N * m.K; ++i) {
      const std::size_t g = i / m.K * m.G() + static_cast<std::size_t>(m.g_idx[i % m.K]);
      const float level = std::round(w.as<float>()[i] / m.scale[g]) + static_cast<float>(m.zero[g]);
      m.level.push_back(static_cast<unsigned>(std::min(std::max(level, 0.0f), 15.0f)));
    }
    for (std::size_t i = 0; i < m.N * m.K; ++i)
      plain[i] = f16_to_f32(f32_to_f16(static_cast<float>(m.value(i / m.K, i % m.K))));
    if (format_ == Format::packed || format_ == Format::packed_zeros)
      m.add_compressed(out, module, zeros);
    else if (format_ == Format::awq)
      m.add_awq(out, module);
    else
      m.add_gptq(out, module, 1);
  }

  Format format_;
};

class QuantizedCheckpoint : public testing::TestWithParam<Format> {
 protected:
  static void write(const std::filesystem::path& path, const Json::Object& config,
                    const Tensors& tensors) {
    JsonWriter json;
    json.value(Json(config));
    test::write_bytes(path / "config.json", json.text());
    const auto out = open_file(path / "model.safetensors");
    write_safetensors(*out, tensors.named(), {});
    out->close();
  }
};

TEST_P(QuantizedCheckpoint, HasTheLogitsOfItsPlainWeights) {
  for (const char* name : {"llama", "qwen2"}) {
    SCOPED_TRACE(name);
    const ModelFiles files = ModelFiles::open(test::kTiny / name);
    Json::Object config = files.config().object(name);
    Tensors quantized, plain;
    Quantizer quantizer(GetParam());
    std::size_t modules = 0;
    for (const NamedTensor& t : files.tensors()) {
      const std::size_t end = t.name.find("_proj.weight");
      if (end == std::string::npos) {
        quantized.add(t);
        plain.add(t);
        continue;
      }
      ASSERT_EQ(t.tensor.dtype, DType::f32);
      std::vector<float> values(static_cast<std::size_t>(t.tensor.shape.elements()));
      quantizer.add(quantized, t.name.substr(0, end + 5), t.tensor, values);
      plain.add(t.name, t.tensor.shape, DType::f32, values);
      ++modules;
    }
    EXPECT_EQ(modules, 14u);
    const test::TempDir dir;
    write(dir / "plain", config, plain);
    config.emplace_back("quantization_config", parse_json(config_of(GetParam()), "test"));
    write(dir / "quantized", config, quantized);
    const test::Ids ids = {1, 5, 9, 30, 2, 7};
    const std::vector<float> want = test::Runner(open_backend("ref"), dir / "plain").whole(ids);
    EXPECT_EQ(test::Runner(open_backend("ref"), dir / "quantized").whole(ids), want);
    EXPECT_NE(test::Runner(open_backend("ref"), test::kTiny / name).whole(ids), want);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, QuantizedCheckpoint,
                         testing::Values(Format::fp8_block, Format::fp8_channel, Format::packed,
                                         Format::packed_zeros, Format::gptq, Format::gptq_ordered,
                                         Format::awq));

}  // namespace
}  // namespace r1
