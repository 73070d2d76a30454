#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
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
  // A step may go in turns, as a network goes layer by layer: what is taken in one turn is valid
  // until the turn after the next begins. So a step needs the memory of two turns, not of all.
  void turn();
  Tensor take_lasting(const Shape& shape, DType dtype);  // valid until `reset`, in any turn
  void reset();
  void release();                                   // as reset, and gives the memory back
  std::size_t peak_bytes() const { return peak_; }  // held at once, at most
  // Changes whenever memory moves: while it is the same, equal steps take equal addresses.
  std::uint64_t generation() const { return generation_; }

 private:
  // Blocks that are lent from the first to the last.
  struct Region {
    std::vector<Buffer> blocks;
    std::size_t block = 0, used = 0;  // of that block
    std::size_t total = 0;            // lent, in all blocks
    std::size_t most = 0;             // of `total`, since the arena's reset
  };
  void gather(Region& region);
  Tensor take_from(Region& region, const Shape& shape, DType dtype);

  Backend& backend_;
  std::array<Region, 3> regions_;  // before the first turn, and turns by turns
  std::size_t current_ = 0;
  std::size_t peak_ = 0;
  std::uint64_t generation_ = 0;
};

}  // namespace r1
