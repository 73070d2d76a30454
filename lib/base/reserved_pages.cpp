#include "lib/base/reserved_pages.h"

#include <algorithm>
#include <utility>

#include <sys/mman.h>

#include "lib/base/error.h"

namespace r1 {

ReservedPages::ReservedPages(std::size_t bytes) : size_(std::max<std::size_t>(1, bytes)) {
  void* data = ::mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) fail(ErrorKind::oom_cpu, "no room for {} bytes", size_);
  data_ = static_cast<std::byte*>(data);
}

ReservedPages::~ReservedPages() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

ReservedPages::ReservedPages(ReservedPages&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(other.size_),
      committed_(other.committed_) {}

void ReservedPages::commit() {
  if (committed_) return;
  if (::mprotect(data_, size_, PROT_READ | PROT_WRITE) != 0)
    fail(ErrorKind::oom_cpu, "no memory for {} bytes", size_);
  committed_ = true;
}

// A mapping laid over the old one drops its pages and what the system holds ready for them.
void ReservedPages::decommit() {
  if (!committed_) return;
  ::mmap(data_, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  committed_ = false;
}

}  // namespace r1
