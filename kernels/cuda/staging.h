#pragma once

#include <cstddef>

#include <cuda_runtime.h>

namespace r1::cuda {

// Copies from the host through pinned memory, so that `from` may change as soon as `copy` returns.
// Two halves take turns; one is written again only when all copies out of it are done. For the
// small inputs of a step they are, a step or two later, and nothing waits. Weights go piece by
// piece: while one half is on its way to the card, the host reads the next piece of the file into
// the other.
class Staging {
 public:
  Staging();
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  void copy(void* to, const void* from, std::size_t bytes, cudaStream_t stream);

 private:
  static constexpr std::size_t kHalfBytes = std::size_t{16} << 20;
  static constexpr std::size_t kAlignment = 64;

  void copy_piece(void* to, const void* from, std::size_t bytes, cudaStream_t stream);

  std::byte* memory_ = nullptr;  // two halves
  cudaEvent_t done_[2] = {};     // the last copy out of each half
  int half_ = 0;
  std::size_t used_ = 0;  // of the half at hand
};

}  // namespace r1::cuda
