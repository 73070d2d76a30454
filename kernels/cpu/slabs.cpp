#include "kernels/cpu/slabs.h"

#include <cstdlib>

#include <sys/mman.h>

namespace r1::cpu {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kSlab = 16 * kHugePage;
constexpr std::size_t kLeast = 64 << 10;      // smaller pieces are left to malloc
constexpr std::size_t kMost = 4 * kHugePage;  // larger ones stand alone

std::size_t rounded(std::size_t bytes, std::size_t unit) { return bytes / unit * unit + unit; }

void* on_huge_pages(std::size_t bytes) {
  void* memory = std::aligned_alloc(kHugePage, rounded(bytes, kHugePage));
  if (memory != nullptr)
    madvise(memory, rounded(bytes, kHugePage), MADV_HUGEPAGE);  // may be refused: then it is slower
  return memory;
}

}  // namespace

Slabs::~Slabs() {
  for (const auto& [address, slab] : slabs_) std::free(address);
}

void* Slabs::allocate(std::size_t bytes) {
  if (bytes < kLeast) return std::aligned_alloc(kAlignment, rounded(bytes, kAlignment));
  if (bytes > kMost) return on_huge_pages(bytes);
  const std::size_t size = rounded(bytes, kAlignment);
  const std::lock_guard lock(mutex_);
  if (open_ == nullptr || slabs_[open_].used + size > kSlab) {
    auto* memory = static_cast<std::byte*>(on_huge_pages(kSlab - 1));
    if (memory == nullptr) return nullptr;
    open_ = memory;
    slabs_[open_] = {};
  }
  Slab& slab = slabs_[open_];
  std::byte* piece = open_ + slab.used;
  slab.used += size;
  ++slab.pieces;
  return piece;
}

void Slabs::release(void* memory) {
  auto* address = static_cast<std::byte*>(memory);
  const std::lock_guard lock(mutex_);
  auto slab = slabs_.upper_bound(address);
  if (slab == slabs_.begin() || std::less_equal<>{}((--slab)->first + kSlab, address))
    return std::free(memory);
  if (--slab->second.pieces > 0) return;
  if (slab->first == open_) open_ = nullptr;
  std::free(slab->first);
  slabs_.erase(slab);
}

}  // namespace r1::cpu
