#pragma once

#include <string>
#include <vector>

#include "lib/quant/quantize_model.h"
#include "tools/quantize/settings.h"

namespace r1 {

// What was made, or would be.
struct QuantizeReport {
  const QuantizeSettings& settings;
  const ModelFiles& files;
  QuantizePlan& plan;
  std::vector<TensorError> errors;  // of each tensor; empty when they are not known
  std::string sha256;               // of the file; empty before there is one

  double bits_per_weight() const;
};

std::string quantize_text(
    const QuantizeReport& report);  // one line, or with --dry-run one a tensor
std::string quantize_json(const QuantizeReport& report);
std::string manifest_json(const QuantizeReport& report);  // reads all inputs

// "2 tensors became q8_0 or f16: their rows …"; empty when all are what was asked for.
std::string fallbacks(const QuantizePlan& plan);

}  // namespace r1
