#include "lib/quant/rounding_error.h"

#include <algorithm>
#include <vector>

#include "lib/quant/search.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

constexpr std::int64_t kSampleRows = 64;

// One row [K] on its way into blocks and out of them again.
class Rounded {
 public:
  Rounded(std::int64_t K, DType dtype, const Rounding& rounding)
      : dtype_(dtype),
        rounding_(rounding),
        counts_(static_cast<std::size_t>(K), 1.0f),
        w_(counts_.size()),
        decoded_(counts_.size()),
        blocks_(Tensor{nullptr, {K}, dtype}.bytes()) {
    for (std::size_t k = 0; k < counts_.size(); ++k) {
      if (!rounding.importance.empty()) counts_[k] = rounding.importance[k];
      if (!rounding.scales.empty()) counts_[k] /= rounding.scales[k] * rounding.scales[k];
    }
  }

  double error(const PlannedTensor& t, std::int64_t row) {
    t.read_row(w_, row);
    if (!rounding_.scales.empty())
      for (std::size_t k = 0; k < w_.size(); ++k) w_[k] *= rounding_.scales[k];
    if (rounding_.search)
      pack_row(blocks_.data(), w_, counts_, dtype_);
    else
      pack(blocks_.data(), w_, dtype_);
    unpack(decoded_, blocks_.data(), dtype_);
    double sum = 0;
    for (std::size_t k = 0; k < w_.size(); ++k) {
      const double lost = double{w_[k]} - decoded_[k];
      sum += counts_[k] * lost * lost;
    }
    return sum;
  }

 private:
  DType dtype_;
  const Rounding& rounding_;
  std::vector<float> counts_, w_, decoded_;
  std::vector<std::byte> blocks_;
};

}  // namespace

double rounding_error(const PlannedTensor& t, DType dtype, const Rounding& rounding,
                      ThreadPool& pool) {
  const std::int64_t rows = t.from().rows(), n = std::min(rows, kSampleRows);
  std::vector<double> errors(static_cast<std::size_t>(n));
  pool.for_ranges(n, 1, [&](std::int64_t begin, std::int64_t end) {
    Rounded row(t.from().cols(), dtype, rounding);
    for (std::int64_t i = begin; i < end; ++i)
      errors[static_cast<std::size_t>(i)] = row.error(t, i * rows / n);
  });
  double sum = 0;  // in the order of rows, whatever the threads
  for (const double error : errors) sum += error;
  return sum * static_cast<double>(rows) / static_cast<double>(n);
}

}  // namespace r1
