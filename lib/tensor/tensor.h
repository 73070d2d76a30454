#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "lib/tensor/dtype.h"

namespace r1 {

// Letters used for dimensions everywhere, in comments and in names:
//   B batch   T positions (rows of one step)   D model width   H heads   KV key-value heads
//   K inner (summed) size   N outputs   V vocabulary   S sequences   P pages   hd head width
// Row-major, outermost first, always.

enum class Device : std::uint8_t { cpu, cuda };

// Up to four dimensions, outermost first. Value type.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) {
    assert(dims.size() <= dims_.size());
    for (const std::int64_t d : dims) dims_[static_cast<std::size_t>(rank_++)] = d;
  }
  int rank() const { return rank_; }
  std::int64_t operator[](int i) const {  // negative i counts from the end, as in Python
    assert(-rank_ <= i && i < rank_);
    return dims_[static_cast<std::size_t>(i < 0 ? rank_ + i : i)];
  }
  std::int64_t elements() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= (*this)[i];
    return n;
  }
  bool operator==(const Shape&) const = default;

 private:
  std::array<std::int64_t, 4> dims_{};
  int rank_ = 0;
};

std::string to_string(const Shape& shape);  // "[2, 64]"

// A label on memory: where it is, what it holds, how it is laid out. Never owns; copy it freely.
struct Tensor {
  void* data = nullptr;
  Shape shape;
  DType dtype = DType::f32;
  Device device = Device::cpu;
  // True for a weight that `Backend::load_weight` has laid out for its own products: the bytes
  // mean something to that backend alone, and only `linear` and `embedding` take it.
  bool packed = false;

  bool empty() const { return data == nullptr; }
  std::int64_t cols() const { return shape[-1]; }
  std::int64_t rows() const { return shape.elements() / shape[-1]; }
  std::size_t bytes() const;  // of the plain layout
  // Whether rows are of whole 16 bytes, as tensor cores read them.
  bool has_whole_rows() const { return bytes() / static_cast<std::size_t>(rows()) % 16 == 0; }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
  // The same memory under another shape of as many elements.
  Tensor reshaped(const Shape& to) const;
};

}  // namespace r1
