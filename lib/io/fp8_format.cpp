// E4M3 with scales, of DeepSeek's layout and of compressed-tensors.
#include <algorithm>
#include <cmath>
#include <vector>

#include "lib/io/scaled_float8.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

std::int64_t blocks_of(std::int64_t n, std::int64_t size) { return (n + size - 1) / size; }

// W[n, k] = e4m3[n, k] scale[n / block.rows, k / block.cols], rounded to bf16.
struct ScaledFloat8 {
  Tensor weight;      // [N, K]
  NumberGrid scales;  // [ceil(N / block.rows), ceil(K / block.cols)]
  QuantizationConfig::Block block;
  std::string name;  // of the scales, in messages

  void unpack(void* plain) const {
    // 2^119 times 448 is the last that bf16 holds with room to spare.
    constexpr float kMost = 0x1p119f;
    const std::int64_t K = weight.cols();
    std::vector<float> row(static_cast<std::size_t>(K));
    auto* out = static_cast<std::uint16_t*>(plain);
    for (std::int64_t n = 0; n < weight.rows(); ++n, out += K) {
      r1::unpack(row, weight.as<std::uint8_t>() + n * K, weight.dtype);
      for (std::int64_t begin = 0; begin < K; begin += block.cols) {
        const float scale = scales.at(n / block.rows, begin / block.cols);
        if (!(std::abs(scale) <= kMost))
          fail(ErrorKind::model, "{} holds {} for row {}, which is no scale", name, scale, n);
        for (std::int64_t k = begin; k < std::min(K, begin + block.cols); ++k)
          out[k] = f32_to_bf16(row[static_cast<std::size_t>(k)] * scale);
      }
    }
  }
};

// How many numbers of a weight have one scale, by how many scales there are.
QuantizationConfig::Block block_of(const Tensor& weight, const Tensor& scales,
                                   const QuantizationConfig::Block& said, const std::string& name) {
  const std::int64_t N = weight.rows(), K = weight.cols();
  if (said.rows > 0 && scales.shape == Shape{blocks_of(N, said.rows), blocks_of(K, said.cols)})
    return said;
  if (scales.shape.elements() == 1) return {N, K};
  if (scales.shape == Shape{N, 1} || scales.shape == Shape{N}) return {1, K};
  fail(ErrorKind::model, "{} is {}, which does not scale {}", name, to_string(scales.shape),
       to_string(weight.shape));
}

class Fp8Format : public QuantizedFormat {
 public:
  explicit Fp8Format(const QuantizationConfig& config) : block_(config.block("weight_block_size")) {
    if (const std::string fmt = config.text("fmt", "e4m3"); fmt != "e4m3")
      fail(ErrorKind::format, "{} is '{}', and only e4m3 is read", config.where("fmt"),
           escaped(fmt));
  }
  bool is_quantized(std::string_view part, const Tensor& tensor) const override {
    return is_scaled_float8(part, tensor);
  }
  QuantizedWeight read(QuantizedModule& module) const override {
    return read_scaled_float8(module, block_);
  }

 private:
  QuantizationConfig::Block block_;
};

}  // namespace

bool is_scaled_float8(std::string_view part, const Tensor& tensor) {
  return part == "weight" && tensor.dtype == DType::f8_e4m3;
}

QuantizedWeight read_scaled_float8(QuantizedModule& module,
                                   const QuantizationConfig::Block& block) {
  const Tensor& weight = module.take("weight");
  if (weight.shape.rank() != 2 || weight.shape.elements() == 0)
    fail(ErrorKind::model, "{} is {}, which is no matrix", module.shown("weight"),
         to_string(weight.shape));
  const char* const part =
      module.find("weight_scale_inv") != nullptr ? "weight_scale_inv" : "weight_scale";
  const Tensor scales = module.take_floats(part);
  const auto found = block_of(weight, scales, block, module.shown(part));
  const std::int64_t stride = scales.shape.rank() == 2 ? scales.cols() : 1;
  const ScaledFloat8 scaled{weight, {scales, stride, 1}, found, module.shown(part)};
  return {module.of("weight"), weight.shape, DType::bf16,
          [scaled](void* plain) { scaled.unpack(plain); }};
}

std::unique_ptr<QuantizedFormat> make_fp8_format(const QuantizationConfig& config) {
  return std::make_unique<Fp8Format>(config);
}

}  // namespace r1
