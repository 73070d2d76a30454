// Folders of AWQ, version gemm: qweight [K, N / 8], qzeros [G, N / 8], scales [G, N].
#include "lib/io/quantized_module.h"

namespace r1 {
namespace {

constexpr std::int64_t kMost = 8;  // to a word
// Outputs 0 2 4 6 1 3 5 7 stand in a word in that order.
constexpr std::uint8_t kOrder[kMost] = {0, 4, 1, 5, 2, 6, 3, 7};

class AwqFormat : public QuantizedFormat {
 public:
  explicit AwqFormat(const QuantizationConfig& config)
      : group_size_(config.integer("group_size", -1)),
        zero_point_(config.boolean("zero_point", true)) {
    if (const std::int64_t bits = config.integer("bits", 4); bits != 4)
      fail(ErrorKind::format, "{} is {}, and only 4 are read", config.where("bits"), bits);
    const std::string version = config.text("version", "gemm");
    if (version != "gemm" && version != "GEMM")
      fail(ErrorKind::format, "{} is '{}', and only gemm is read", config.where("version"),
           escaped(version));
  }

  bool is_quantized(std::string_view part, const Tensor&) const override {
    return part == "qweight";
  }

  QuantizedWeight read(QuantizedModule& module) const override {
    const Shape packed = module.take("qweight").shape;
    if (packed.rank() != 2)
      fail(ErrorKind::model, "{} is {}", module.shown("qweight"), to_string(packed));
    const std::int64_t K = packed[0], words = packed[1], N = words * kMost;
    GroupedIntegers w = grouped(module, "qweight", N, K, group_size_);
    const std::int64_t G = w.groups();
    PackedIntegers outputs{.along_rows = true, .row_stride = 1, .col_stride = words};
    outputs.order = kOrder;
    outputs.words = module.take_words("qweight", packed);
    w.levels = outputs;
    if (zero_point_ || module.find("qzeros") != nullptr) {
      outputs.words = module.take_words("qzeros", {G, words});
      w.zeros = outputs;
    }
    w.scales = {module.take_floats("scales", {G, N}), 1, N};
    w.name = module.shown("scales");
    return as_weight(module, w);
  }

 private:
  std::int64_t group_size_;
  bool zero_point_;
};

}  // namespace

std::unique_ptr<QuantizedFormat> make_awq_format(const QuantizationConfig& config) {
  return std::make_unique<AwqFormat>(config);
}

}  // namespace r1
