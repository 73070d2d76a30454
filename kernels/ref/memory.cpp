#include <cstdlib>
#include <cstring>

#include "kernels/ref/ref_backend.h"
#include "lib/base/error.h"

namespace r1 {
namespace {

constexpr std::size_t kAlignment = 64;

}  // namespace

void* RefBackend::allocate(std::size_t bytes) {
  const std::size_t lines = bytes / kAlignment + 1;  // whole ones, as aligned_alloc wants; never 0
  void* memory = std::aligned_alloc(kAlignment, lines * kAlignment);
  if (memory == nullptr) fail(ErrorKind::oom_cpu, "no memory for {} bytes", bytes);
  return memory;
}

void RefBackend::release(void* memory) { std::free(memory); }

void RefBackend::copy_from_host(const Tensor& dst, const void* src) {
  std::memcpy(dst.data, src, dst.bytes());
}

void RefBackend::copy_to_host(void* dst, const Tensor& src) {
  std::memcpy(dst, src.data, src.bytes());
}

void RefBackend::copy(const Tensor& dst, const Tensor& src) {
  std::memcpy(dst.data, src.data, src.bytes());
}

void RefBackend::zero(const Tensor& t) { std::memset(t.data, 0, t.bytes()); }

// Nothing is packed: a file's tensor is used where it lies.
Backend::Weight RefBackend::load_weight(const Tensor& host, DType) { return {host, Buffer()}; }

}  // namespace r1
