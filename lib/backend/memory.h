#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "lib/tensor/tensor.h"

namespace r1 {

class Backend;

// Owns a piece of a backend's memory. The backend outlives it.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Backend& backend, std::size_t bytes);
  ~Buffer();
  Buffer(Buffer&& other) noexcept
      : backend_(other.backend_),
        data_(std::exchange(other.data_, nullptr)),
        bytes_(other.bytes_) {}
  Buffer& operator=(Buffer&& other) noexcept;

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  bool empty() const { return data_ == nullptr; }

 private:
  Backend* backend_ = nullptr;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// Lends memory for one step. `reset` takes all of it back at once and keeps it for the next step,
// so that after the first steps nothing is allocated any more.
class Arena {
 public:
  explicit Arena(Backend& backend) : backend_(backend) {}

  Tensor take(const Shape& shape, DType dtype);  // not zeroed; valid until `reset`
  void reset();
  std::size_t peak_bytes() const { return peak_; }

 private:
  Backend& backend_;
  std::vector<Buffer> blocks_;
  std::size_t used_ = 0;   // of the last block
  std::size_t total_ = 0;  // lent since the last reset
  std::size_t peak_ = 0;
};

}  // namespace r1
