#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/json_section.h"
#include "lib/io/grouped_integers.h"
#include "lib/io/quantized_folder.h"

namespace r1 {

// What the readers of lib/io/quantized_folder.h share: the tensors of a folder by name, and which
// of them went into a weight.
struct QuantizedTensors {
  std::string where;  // the folder, for messages
  std::map<std::string, Tensor, std::less<>> by_name;
  std::set<std::string, std::less<>> taken;  // by all modules
};

// The tensors of one module: "weight_scale" of "model.layers.0.mlp.up_proj".
class QuantizedModule {
 public:
  QuantizedModule(QuantizedTensors& tensors, std::string name)
      : tensors_(tensors), name_(std::move(name)) {}

  std::string of(std::string_view part) const { return name_ + "." + std::string(part); }
  std::string shown(std::string_view part) const {  // in messages
    return tensors_.where + ": " + escaped(of(part));
  }
  const Tensor* find(std::string_view part) const;
  const Tensor& take(std::string_view part);  // fails with `model` when there is none
  // The same, of this shape.
  const std::int32_t* take_words(std::string_view part, const Shape& shape);
  const Tensor& take_floats(std::string_view part);  // f32, f16 or bf16 of any shape
  const Tensor& take_floats(std::string_view part, const Shape& shape);

  const std::vector<ByteSpan>& taken() const { return taken_; }

 private:
  QuantizedTensors& tensors_;
  std::string name_;
  std::vector<ByteSpan> taken_;
};

// Keys of a quantization_config.
class QuantizationConfig : public JsonSection {
 public:
  using JsonSection::JsonSection;

  QuantizationConfig in(std::string_view key) const { return {*find(key), where(key)}; }
  // Two positive numbers, or nothing where the key is absent.
  struct Block {
    std::int64_t rows = 0, cols = 0;
  };
  Block block(std::string_view key) const;
};

// A W [rows, cols] without its numbers. A group size of -1 is a row. Fails with `model` where
// groups do not divide a row; `part` is named then.
GroupedIntegers grouped(const QuantizedModule& module, std::string_view part, std::int64_t rows,
                        std::int64_t cols, std::int64_t group_size);
// Takes the group of each column, [cols]; nothing where the part is absent.
const std::int32_t* take_group_index(QuantizedModule& module, std::string_view part,
                                     const GroupedIntegers& w);
QuantizedWeight as_weight(const QuantizedModule& module, const GroupedIntegers& w);

// How the modules of one folder are quantized.
class QuantizedFormat {
 public:
  virtual ~QuantizedFormat() = default;
  // Is a module quantized that has this tensor under this part of a name?
  virtual bool is_quantized(std::string_view part, const Tensor& tensor) const = 0;
  virtual QuantizedWeight read(QuantizedModule& module) const = 0;
};

// These fail with `format` for what they do not read.
std::unique_ptr<QuantizedFormat> make_fp8_format(const QuantizationConfig& config);
std::unique_ptr<QuantizedFormat> make_compressed_tensors_format(const QuantizationConfig& config);
std::unique_ptr<QuantizedFormat> make_gptq_format(const QuantizationConfig& config);
std::unique_ptr<QuantizedFormat> make_awq_format(const QuantizationConfig& config);

}  // namespace r1
