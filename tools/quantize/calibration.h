#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "lib/quant/calibrate.h"
#include "lib/tasks/loaded_model.h"
#include "tools/quantize/settings.h"

namespace r1 {

inline constexpr std::uint64_t kHessianBytes = std::uint64_t{2} << 30;  // for error feedback

// Writes it where --imatrix-out says, if that says anything.
void keep_imatrix(const Imatrix& imatrix, const QuantizeSettings& settings);

// The model, loaded on the processor, and the text of --calibration in its tokens.
class CalibrationModel {
 public:
  // Fails with `usage` for a text that is not there or has no two tokens.
  CalibrationModel(const QuantizeSettings& settings, const std::filesystem::path& model);
  // The model outlives it. `window_done` may throw.
  Calibration calibration(std::function<void()> window_done) const;

 private:
  std::unique_ptr<Backend> backend_;
  LoadedModel model_;
  std::vector<std::vector<std::int32_t>> windows_;
};

}  // namespace r1
