#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lib/quant/calibrate.h"
#include "lib/tasks/loaded_model.h"
#include "tools/quantize/report.h"

namespace r1 {

// For the Hessians of error feedback, in bytes: a quarter of the machine's memory, or 2 GiB. What
// is found does not depend on it, but each time it is full the text is read once more.
std::uint64_t hessian_room();

// "; --resume goes on with OUT.partial", of the first output: what a signal leaves while tensors
// are written. Where an output exists, -f is wanted too.
std::string resume_hint(const std::vector<std::filesystem::path>& outputs);
// What it leaves before. `calibrated`: the text was read.
std::string before_writing(const QuantizeSettings& settings,
                           const std::vector<std::filesystem::path>& outputs, bool calibrated);

// That of --imatrix. Fails with `usage`.
Imatrix read_imatrix(QuantizeReport& report);
// Writes it where --imatrix-out says, if that says anything.
void keep_imatrix(const Imatrix& imatrix, const Imatrix::Text& text,
                  const QuantizeSettings& settings);

// The model, loaded on the processor, and the text of --calibration in its tokens.
class CalibrationModel {
 public:
  // Fails with `usage` for a text that is not there or has no two tokens, with `model` for weights
  // that are not finite.
  explicit CalibrationModel(QuantizeReport& report);
  // The model outlives it. `step_done` may throw.
  Calibration calibration(std::function<void()> step_done) const;
  const Imatrix::Text& text() const { return text_; }
  const std::string& describe() const { return description_; }  // "600 tokens of FILE read"
  // Says so where error feedback has fewer tokens than a matrix has columns: what it then knows of
  // most of them is chance. Empty: enough.
  const std::string& too_few() const { return too_few_; }

 private:
  std::unique_ptr<Backend> backend_;
  LoadedModel model_;
  std::vector<std::vector<std::int32_t>> windows_;
  Imatrix::Text text_;
  std::string description_, too_few_;
};

}  // namespace r1
