#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "lib/base/parallel.h"

namespace r1 {

// What of a tensor is not as it was: of its numbers now against those before.
struct TensorError {
  double mse = 0, max_abs = 0;
};

// Of so many rows of `cols` numbers, which `read` fetches, on all threads. The same for any number
// of them.
using ReadRows =
    std::function<void(std::span<float> now, std::span<float> before, std::int64_t row)>;
TensorError error_of_rows(std::int64_t rows, std::int64_t cols, ThreadPool& pool,
                          const ReadRows& read);

}  // namespace r1
