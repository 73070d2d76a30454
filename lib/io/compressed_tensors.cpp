// Folders of compressed-tensors: float-quantized (E4M3) and pack-quantized (whole numbers).
#include <optional>

#include "lib/io/quantized_module.h"
#include "lib/io/scaled_float8.h"

namespace r1 {
namespace {

// What the groups of config_groups say of weights of one kind.
struct Integers {
  int bits = 4;
  std::int64_t group_size = -1;  // a row
  bool symmetric = true;
  bool operator==(const Integers&) const = default;
};
struct Floats {
  std::int64_t rows = 0, cols = 0;  // of a block
  bool operator==(const Floats&) const = default;
};

// A folder may have modules of both kinds; all of a kind are alike.
template <typename Kind>
void agree(std::optional<Kind>& known, const Kind& said, const QuantizationConfig& group) {
  if (known && !(*known == said))
    fail(ErrorKind::format, "{} differs from another group, which is not read",
         group.where("weights"));
  known = said;
}

class CompressedTensors : public QuantizedFormat {
 public:
  explicit CompressedTensors(const QuantizationConfig& config) {
    const std::string format = config.text("format", "");
    if (format != "float-quantized" && format != "pack-quantized" && format != "mixed-precision")
      fail(ErrorKind::format, "{} is '{}', which is not read", config.where("format"),
           escaped(format));
    if (const Json* turned = config.find("transform_config");
        turned != nullptr && !turned->object(config.where("transform_config")).empty())
      fail(ErrorKind::format, "{} turns what is multiplied, which does not run here",
           config.where("transform_config"));
    const Json* groups = config.find("config_groups");
    if (groups == nullptr) fail(ErrorKind::model, "{} is missing", config.where("config_groups"));
    for (const auto& [name, group] : groups->object(config.where("config_groups")))
      if (!group.is_null()) add({group, config.where("config_groups") + ": " + escaped(name)});
  }

  bool is_quantized(std::string_view part, const Tensor& tensor) const override {
    return part == "weight_packed" || is_scaled_float8(part, tensor);
  }

  QuantizedWeight read(QuantizedModule& module) const override {
    if (module.find("weight_packed") == nullptr) {
      const Floats block = floats_.value_or(Floats());
      return read_scaled_float8(module, {block.rows, block.cols});
    }
    if (!integers_)
      fail(ErrorKind::model, "{}: no group of config.json has weights of whole numbers",
           module.shown("weight_packed"));
    return read_packed(module);
  }

 private:
  void add(const QuantizationConfig& group) {
    if (group.find("weights") == nullptr) return;
    const QuantizationConfig weights = group.in("weights");
    const std::string type = weights.text("type", "int");
    const std::int64_t bits = weights.integer("num_bits", 8);
    if (type == "float" && bits == 8) {
      const QuantizationConfig::Block block = weights.block("block_structure");
      agree(floats_, Floats{block.rows, block.cols}, group);
    } else if (type == "int" && (bits == 4 || bits == 8)) {
      agree(integers_,
            Integers{static_cast<int>(bits), weights.integer("group_size", -1),
                     weights.boolean("symmetric", true)},
            group);
    } else {
      fail(ErrorKind::format, "{} are {} bits of {}, which is not read", group.where("weights"),
           bits, escaped(type));
    }
  }

  // weight_packed [N, K / 8], weight_scale [N, G], weight_shape [2]; weight_zero_point [N / 8, G]
  // where they are not symmetric, weight_g_idx [K] where groups are not in order.
  QuantizedWeight read_packed(QuantizedModule& module) const {
    const Integers& said = *integers_;
    const std::int64_t most = 32 / said.bits;
    const Shape shape = read_shape(module);
    const std::int64_t N = shape[0], K = shape[1], words = (K + most - 1) / most;
    GroupedIntegers w = grouped(module, "weight_packed", N, K, said.group_size);
    const std::int64_t G = w.groups();
    w.levels = {.words = module.take_words("weight_packed", {N, words}),
                .bits = said.bits,
                .row_stride = words};
    const Tensor scales = module.take_floats("weight_scale");
    if (scales.shape != Shape{N, G} && !(G == 1 && scales.shape == Shape{N}))
      fail(ErrorKind::model, "{} is {}, not {}", module.shown("weight_scale"),
           to_string(scales.shape), to_string(Shape{N, G}));
    w.scales = {scales, G, 1};
    w.name = module.shown("weight_scale");
    if (!said.symmetric || module.find("weight_zero_point") != nullptr) {
      const Shape packed{(N + most - 1) / most, G};
      w.zeros = PackedIntegers{.words = module.take_words("weight_zero_point", packed),
                               .bits = said.bits,
                               .along_rows = true,
                               .row_stride = G};
    }
    w.group_of = take_group_index(module, "weight_g_idx", w);
    return as_weight(module, w);
  }

  static Shape read_shape(QuantizedModule& module) {
    const Tensor& t = module.take("weight_shape");
    if (t.shape != Shape{2} || !is_integer(t.dtype))
      fail(ErrorKind::model, "{} is {} of {}, not two whole numbers", module.shown("weight_shape"),
           to_string(t.shape), to_string(t.dtype));
    const auto number = [&t](int i) {
      return t.dtype == DType::i64 ? t.as<std::int64_t>()[i] : t.as<std::int32_t>()[i];
    };
    const Shape shape{number(0), number(1)};
    // More than the packed words hold is refused there; this keeps the products small.
    constexpr std::int64_t kMost = std::int64_t{1} << 31;
    if (shape[0] < 1 || shape[1] < 1 || shape[0] > kMost || shape[1] > kMost)
      fail(ErrorKind::model, "{} says {}", module.shown("weight_shape"), to_string(shape));
    return shape;
  }

  std::optional<Integers> integers_;
  std::optional<Floats> floats_;
};

}  // namespace

std::unique_ptr<QuantizedFormat> make_compressed_tensors_format(const QuantizationConfig& config) {
  return std::make_unique<CompressedTensors>(config);
}

}  // namespace r1
