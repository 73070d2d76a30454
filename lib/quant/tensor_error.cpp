#include "lib/quant/tensor_error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "lib/base/vectorized.h"

namespace r1 {
namespace {

// mse: the sum, in eight parts that are added at the end. What is near in value has an exact
// difference in f32.
R1_VECTORIZED TensorError sum_of_errors(std::span<const float> now, std::span<const float> before) {
  constexpr std::size_t kParts = 8;
  std::array<double, kParts> squares{};
  std::array<float, kParts> largest{};
  const auto add = [&](std::size_t part, std::size_t k) {
    const float d = std::abs(now[k] - before[k]);
    squares[part] += double{d} * d;
    largest[part] = d > largest[part] ? d : largest[part];
  };
  const std::size_t whole = now.size() / kParts * kParts;
  for (std::size_t k = 0; k < whole; k += kParts)
    for (std::size_t part = 0; part < kParts; ++part) add(part, k + part);
  for (std::size_t k = whole; k < now.size(); ++k) add(k - whole, k);
  return {std::accumulate(squares.begin(), squares.end(), 0.0),
          *std::max_element(largest.begin(), largest.end())};
}

}  // namespace

TensorError error_of_rows(std::int64_t rows, std::int64_t cols, ThreadPool& pool,
                          const ReadRows& read) {
  std::vector<TensorError> each(static_cast<std::size_t>(rows));  // mse: of one row, the sum
  pool.for_ranges(rows, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> now(static_cast<std::size_t>(cols)), before(now.size());
    for (std::int64_t r = begin; r < end; ++r) {
      read(now, before, r);
      each[static_cast<std::size_t>(r)] = sum_of_errors(now, before);
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
