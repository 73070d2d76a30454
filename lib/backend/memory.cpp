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
  return take_from(regions_[current_], shape, dtype);
}

Tensor Arena::take_lasting(const Shape& shape, DType dtype) {
  return take_from(regions_[0], shape, dtype);
}

Tensor Arena::take_from(Region& r, const Shape& shape, DType dtype) {
  Tensor t{nullptr, shape, dtype, backend_.device()};
  const std::size_t bytes = aligned(std::max<std::size_t>(t.bytes(), 1));
  while (r.block < r.blocks.size() && r.used + bytes > r.blocks[r.block].bytes()) {
    ++r.block;
    r.used = 0;
  }
  if (r.block == r.blocks.size()) {
    r.blocks.emplace_back(backend_, std::max(bytes, kBlockBytes));
    ++generation_;
  }
  t.data = static_cast<std::byte*>(r.blocks[r.block].data()) + r.used;
  r.used += bytes;
  r.total += bytes;
  r.most = std::max(r.most, r.total);
  std::size_t held = 0;
  for (const Region& region : regions_) held += region.most;
  peak_ = std::max(peak_, held);
  return t;
}

void Arena::turn() {
  current_ = current_ == 1 ? 2 : 1;
  Region& r = regions_[current_];
  r.block = r.used = r.total = 0;
}

void Arena::reset() {
  for (Region& region : regions_) gather(region);
  current_ = 0;
}

void Arena::release() {
  regions_ = {};
  current_ = 0;
  ++generation_;
}

// Several blocks become one of their whole size, so that a steady step takes from one block.
void Arena::gather(Region& r) {
  if (r.blocks.size() > 1) {
    const std::size_t all = aligned(r.most) + kAlignment;
    r = {};  // whether or not there is room for another
    ++generation_;
    r.blocks.emplace_back(backend_, all);
  }
  r.block = r.used = r.total = r.most = 0;
}

}  // namespace r1
