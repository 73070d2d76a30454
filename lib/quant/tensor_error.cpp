#include "lib/quant/tensor_error.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace r1 {

TensorError error_of_rows(std::int64_t rows, std::int64_t cols, ThreadPool& pool,
                          const ReadRows& read) {
  std::vector<TensorError> each(static_cast<std::size_t>(rows));  // mse: of one row, the sum
  pool.for_ranges(rows, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> now(static_cast<std::size_t>(cols)), before(now.size());
    for (std::int64_t r = begin; r < end; ++r) {
      read(now, before, r);
      TensorError& error = each[static_cast<std::size_t>(r)];
      for (std::size_t k = 0; k < now.size(); ++k) {
        const double d = double{now[k]} - before[k];
        error.mse += d * d;
        error.max_abs = std::max(error.max_abs, std::abs(d));
      }
    }
  });
  TensorError error;  // added in the order of rows, whatever the threads
  for (const TensorError& row : each) {
    error.mse += row.mse;
    error.max_abs = std::max(error.max_abs, row.max_abs);
  }
  error.mse /= static_cast<double>(rows) * static_cast<double>(cols);
  return error;
}

}  // namespace r1
