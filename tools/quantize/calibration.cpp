#include "tools/quantize/calibration.h"

#include <algorithm>

#include "lib/backend/open_backend.h"
#include "lib/base/error.h"
#include "lib/base/paths.h"
#include "lib/tasks/memory_plan.h"
#include "lib/train/text_lines.h"
#include "tools/common/models.h"
#include "tools/common/results.h"
#include "tools/quantize/check.h"

namespace r1 {
namespace {

constexpr std::int64_t kWindow = 512;

std::string calibration_text(QuantizeReport& report) {
  const std::string& path = report.settings.calibration;
  return as_usage([&] {
    std::string bytes = read_file(path);
    report.add_text(path, as_bytes(bytes));
    return text_of_file(std::move(bytes), path);
  });
}

// The first `most` tokens. Of a long text only as much is read as these may stand for, up to the
// end of a line: most tokens have fewer than 64 bytes.
std::vector<TokenId> first_tokens(const Tokenizer& tokenizer, std::string_view text,
                                  std::size_t most) {
  for (std::size_t bytes = 64 * most;; bytes *= 4) {
    const std::size_t end =
        bytes < text.size() ? std::min(text.find('\n', bytes), text.size()) : text.size();
    std::vector<TokenId> ids = tokenizer.encode(text.substr(0, end));
    if (ids.size() < most && end < text.size()) continue;
    ids.resize(std::min(ids.size(), most));
    return ids;
  }
}

}  // namespace

std::uint64_t hessian_room() { return std::max(std::uint64_t{2} << 30, memory_of_machine() / 4); }

std::string resume_hint(const std::vector<std::filesystem::path>& outputs) {
  return fmt::format("; --resume{} goes on with {}",
                     std::any_of(outputs.begin(), outputs.end(), is_taken) ? " -f" : "",
                     escaped(partial_of(outputs[0]).string()));
}

std::string before_writing(const QuantizeSettings& s,
                           const std::vector<std::filesystem::path>& outputs, bool calibrated) {
  if (s.resume && is_taken(partial_of(outputs[0]))) return resume_hint(outputs);
  const bool enough = calibrated && s.method != "gptq" && s.target_bpw == 0;
  const std::string kept = enough && !s.imatrix_out.empty()
                               ? fmt::format("; --imatrix {} is enough now", escaped(s.imatrix_out))
                               : "";
  return " before anything was written" + kept;
}

Imatrix read_imatrix(QuantizeReport& report) {
  const std::string& path = report.settings.imatrix;
  return as_usage([&] {
    const MappedFile file(path);
    report.add_text(path, file.bytes());
    return Imatrix::parse(file.bytes(), path);
  });
}

void keep_imatrix(const Imatrix& imatrix, const Imatrix::Text& text, const QuantizeSettings& s) {
  if (s.imatrix_out.empty() || s.dry_run) return;
  const auto out = open_results(s.imatrix_out, false, false);
  imatrix.write(*out, text);
  out->close();
}

CalibrationModel::CalibrationModel(QuantizeReport& report)
    : backend_(open_backend("cpu", {.threads = static_cast<int>(report.settings.threads)})),
      model_(load_model_with_text(*backend_, report.settings.operands[0], report.files.path(),
                                  {.data_dir = data_folder()})) {
  const QuantizeSettings& s = report.settings;
  need_finite(report.files);
  const Tokenizer& tokenizer = *model_.tokenizer;
  const std::vector<TokenId> ids = first_tokens(tokenizer, calibration_text(report),
                                                static_cast<std::size_t>(s.calibration_tokens));
  if (ids.size() < 2) fail(ErrorKind::usage, "{} has no two tokens", escaped(s.calibration));
  description_ = fmt::format("{} tokens of {} read", ids.size(), escaped(s.calibration));
  std::int64_t widest = 0;
  for (const auto& [name, weight] : model_.params->taken())
    if (weight.value.shape.rank() == 2) widest = std::max(widest, weight.value.cols());
  if (s.method == "gptq" && std::cmp_less(ids.size(), widest))
    too_few_ = fmt::format("{} tokens of {} are few for --method gptq: a matrix has {} columns",
                           ids.size(), escaped(s.calibration), widest);
  const bool bos = tokenizer.add_bos();
  const std::int64_t window_size = std::min(kWindow, model_.network->shape().context);
  const std::size_t most = static_cast<std::size_t>(window_size) - (bos ? 1 : 0);
  if (most == 0) fail(ErrorKind::model, "the model's context has room for BOS alone");
  for (std::size_t at = 0; at < ids.size(); at += most) {
    std::vector<std::int32_t>& window = windows_.emplace_back();
    if (bos) window.push_back(*tokenizer.bos());
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(at);
    window.insert(window.end(), begin,
                  begin + static_cast<std::ptrdiff_t>(std::min(most, ids.size() - at)));
  }
  text_ = {escaped(s.calibration), static_cast<std::uint32_t>(windows_.size()),
           static_cast<std::uint32_t>(window_size)};
}

Calibration CalibrationModel::calibration(std::function<void()> step_done) const {
  return {*backend_,      *model_.network,      *model_.params,         windows_,
          model_.newline, std::move(step_done), model_.files->is_gguf()};
}

}  // namespace r1
