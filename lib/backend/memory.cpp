#include "lib/backend/memory.h"

#include <algorithm>

#include "lib/backend/backend.h"

namespace r1 {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

Buffer::Buffer(Backend& backend, std::size_t bytes)
    : backend_(&backend), data_(backend.allocate(bytes)), bytes_(bytes) {}

Buffer::~Buffer() {
  if (data_ != nullptr) backend_->release(data_);
}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(backend_, other.backend_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Tensor Arena::take(const Shape& shape, DType dtype) {
  Tensor t{nullptr, shape, dtype, backend_.device()};
  const std::size_t bytes = aligned(std::max<std::size_t>(t.bytes(), 1));
  if (blocks_.empty() || used_ + bytes > blocks_.back().bytes()) {
    blocks_.emplace_back(backend_, std::max(bytes, kBlockBytes));
    used_ = 0;
  }
  t.data = static_cast<std::byte*>(blocks_.back().data()) + used_;
  used_ += bytes;
  total_ += bytes;
  peak_ = std::max(peak_, total_);
  return t;
}

// Several blocks become one of their whole size, so that a steady step takes from one block.
void Arena::reset() {
  if (blocks_.size() > 1) {
    blocks_.clear();
    blocks_.emplace_back(backend_, aligned(total_) + kAlignment);
  }
  used_ = 0;
  total_ = 0;
}

}  // namespace r1
