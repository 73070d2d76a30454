// Folders of AutoGPTQ and GPTQModel: qweight [K / 8, N], qzeros [G, N / 8], scales [G, N] and the
// group of each input, g_idx [K]; four in place of eight where they have 8 bits.
#include <algorithm>

#include "lib/io/quantized_module.h"

namespace r1 {
namespace {

class GptqFormat : public QuantizedFormat {
 public:
  explicit GptqFormat(const QuantizationConfig& config)
      : bits_(static_cast<int>(config.integer("bits", 0))),
        group_size_(config.integer("group_size", -1)) {
    if (bits_ != 4 && bits_ != 8)
      fail(ErrorKind::format, "{} is {}, and only 4 and 8 are read", config.where("bits"), bits_);
    // The first layout keeps a zero point as one less than it is.
    const std::string layout = config.text("checkpoint_format", "gptq");
    if (layout != "gptq" && layout != "gptq_v2")
      fail(ErrorKind::format, "{} is '{}', which is not read", config.where("checkpoint_format"),
           escaped(layout));
    zero_offset_ = layout == "gptq" ? 1 : 0;
    needs_index_ = config.boolean("desc_act", false) && group_size_ != -1;
  }

  bool is_quantized(std::string_view part, const Tensor&) const override {
    return part == "qweight";
  }

  QuantizedWeight read(QuantizedModule& module) const override {
    const Shape packed = module.take("qweight").shape;
    const std::int64_t most = 32 / bits_;
    if (packed.rank() != 2 || packed[1] % most != 0)
      fail(ErrorKind::model, "{} is {}", module.shown("qweight"), to_string(packed));
    const std::int64_t N = packed[1], K = packed[0] * most;
    GroupedIntegers w = grouped(module, "qweight", N, K, group_size_);
    const std::int64_t G = w.groups();
    w.levels = {.words = module.take_words("qweight", packed),
                .bits = bits_,
                .row_stride = 1,
                .col_stride = N};
    w.zeros = PackedIntegers{.words = module.take_words("qzeros", {G, N / most}),
                             .bits = bits_,
                             .along_rows = true,
                             .row_stride = 1,
                             .col_stride = N / most};
    w.zero_offset = zero_offset_;
    w.scales = {module.take_floats("scales", {G, N}), 1, N};
    w.name = module.shown("scales");
    if (needs_index_) module.take("g_idx");
    w.group_of = take_group_index(module, "g_idx", w);
    drop_zero_bias(module);
    return as_weight(module, w);
  }

 private:
  // AutoGPTQ wrote a bias for every module; of those that have none it is zeros.
  static void drop_zero_bias(QuantizedModule& module) {
    const Tensor* bias = module.find("bias");
    if (bias == nullptr) return;
    const auto* bytes = bias->as<std::uint8_t>();
    if (std::all_of(bytes, bytes + bias->bytes(), [](std::uint8_t b) { return b == 0; }))
      module.take("bias");
  }

  int bits_, zero_offset_ = 0;
  std::int64_t group_size_;
  bool needs_index_ = false;
};

}  // namespace

std::unique_ptr<QuantizedFormat> make_gptq_format(const QuantizationConfig& config) {
  return std::make_unique<GptqFormat>(config);
}

}  // namespace r1
