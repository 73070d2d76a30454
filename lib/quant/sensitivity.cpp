#include "lib/quant/sensitivity.h"

#include <algorithm>

#include "lib/base/distribution.h"
#include "lib/base/error.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

// Blocks of the matrix as the network has it: a folder's rows are in another order than GGUF's.
std::vector<std::byte> rounded(const PlannedTensor& t, DType dtype, ThreadPool& pool) {
  GgufTensor source = t.source;
  source.head_dim = 0;
  const std::int64_t N = t.from().rows(), K = t.from().cols();
  const std::size_t row_bytes = Tensor{nullptr, {K}, dtype}.bytes();
  std::vector<std::byte> blocks(row_bytes * static_cast<std::size_t>(N));
  pool.for_ranges(N, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> row(static_cast<std::size_t>(K));
    for (std::int64_t r = begin; r < end; ++r) {
      read_rows(row, source, r);
      pack(blocks.data() + row_bytes * static_cast<std::size_t>(r), row, dtype);
    }
  });
  return blocks;
}

// Logits [T, V] of one window, by the model as it is or with another weight.
class Answers {
 public:
  Answers(const Calibration& calibration, const std::vector<std::int32_t>& window)
      : calibration_(calibration), window_(window), base_(calibration.logits(window, {})) {}

  // Sum over rows of the divergence from the model as it is.
  double divergence_with(const Graph::Replace& replace, ThreadPool& pool) const {
    const std::vector<float> logits = calibration_.logits(window_, replace);
    const std::size_t V = logits.size() / window_.size();
    std::vector<double> rows(window_.size());
    pool.for_ranges(std::ssize(rows), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto t = static_cast<std::size_t>(begin); std::cmp_less(t, end); ++t)
        rows[t] = divergence(distribution(std::span(base_).subspan(t * V, V)),
                             distribution(std::span(logits).subspan(t * V, V)));
    });
    double sum = 0;
    for (const double row : rows) sum += row;
    return sum;
  }

 private:
  const Calibration& calibration_;
  const std::vector<std::int32_t>& window_;
  std::vector<float> base_;
};

}  // namespace

DType probe_type(const PlannedTensor& t) {
  const DType probe = t.from().dtype == DType::q4_0 ? DType::iq4_nl : DType::q4_0;
  return t.from().cols() % block_elements(probe) == 0 ? probe : DType::f32;
}

bool is_measured(const PlannedTensor& t) { return t.free && probe_type(t) != DType::f32; }

std::map<std::string, double> measure_sensitivity(const QuantizePlan& plan,
                                                  const Calibration& calibration,
                                                  std::int64_t tokens, ThreadPool& pool) {
  std::vector<std::int32_t> window = calibration.windows.at(0);
  window.resize(std::min(window.size(), static_cast<std::size_t>(tokens)));
  const Answers answers(calibration, window);
  const std::map<const void*, std::string> names = calibration.matrix_names();
  std::map<std::string, double> sensitivity;
  for (const PlannedTensor& t : plan.tensors) {
    if (!is_measured(t)) continue;
    const DType probe = probe_type(t);
    plan.files->fetch(t.from());
    std::vector<std::byte> blocks = rounded(t, probe, pool);
    plan.files->release(t.from());
    const Backend::Weight weight =
        calibration.backend.load_weight({blocks.data(), t.from().shape, probe}, DType::f32);
    const double sum = answers.divergence_with(
        [&](const Tensor& w) {
          const auto found = names.find(w.data);
          return found != names.end() && found->second == t.name() ? weight.tensor : w;
        },
        pool);
    sensitivity[t.name()] = sum / static_cast<double>(window.size());
    calibration.step_done();
  }
  return sensitivity;
}

}  // namespace r1
