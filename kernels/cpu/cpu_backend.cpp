#include "kernels/cpu/cpu_backend.h"

#include <algorithm>
#include <cstring>

#include "lib/base/error.h"

namespace r1 {
namespace {

bool has_avx2() {
#if R1_HAS_avx2
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

bool has_avx512() {
#if R1_HAS_avx512
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

const cpu::Kernels& choose(std::string_view isa) {
#if R1_HAS_avx512
  if (has_avx512() && (isa.empty() || isa == "avx512")) return avx512::kKernels;
#endif
#if R1_HAS_avx2
  if (has_avx2() && (isa.empty() || isa == "avx2")) return avx2::kKernels;
#endif
  if (isa.empty() || isa == "baseline") return baseline::kKernels;
  if (isa == "avx2" || isa == "avx512") fail(ErrorKind::device, "this machine has no {}", isa);
  fail(ErrorKind::usage, "no instruction set is called '{}' (baseline, avx2, avx512)",
       escaped(isa));
}

}  // namespace

CpuBackend::CpuBackend(int threads, std::string_view isa) : kernels_(choose(isa)), pool_(threads) {}

std::string CpuBackend::describe() const {
  return fmt::format("cpu ({}), threads: {}", kernels_.name, pool_.threads());
}

void* CpuBackend::allocate(std::size_t bytes) {
  void* memory = slabs_.allocate(bytes);
  if (memory == nullptr) fail(ErrorKind::oom_cpu, "no memory for {} bytes", bytes);
  return memory;
}

void CpuBackend::release(void* memory) { slabs_.release(memory); }

void CpuBackend::copy_from_host(const Tensor& dst, const void* src) {
  std::memcpy(dst.data, src, dst.bytes());
}

void CpuBackend::copy_to_host(void* dst, const Tensor& src) {
  std::memcpy(dst, src.data, src.bytes());
}

void CpuBackend::copy(const Tensor& dst, const Tensor& src) {
  std::memcpy(dst.data, src.data, src.bytes());
}

void CpuBackend::zero(const Tensor& t) {
  for_rows(static_cast<std::int64_t>(t.bytes()), 1, [&](std::int64_t begin, std::int64_t end) {
    std::memset(t.as<std::byte>() + begin, 0, static_cast<std::size_t>(end - begin));
  });
}

void CpuBackend::for_rows(std::int64_t rows, std::int64_t work_per_row,
                          const std::function<void(std::int64_t, std::int64_t)>& body) {
  constexpr std::int64_t kWorthAThread = 16384;  // elements: some microseconds, as a call to one is
  pool_.for_ranges(
      rows, std::max<std::int64_t>(1, kWorthAThread / std::max<std::int64_t>(1, work_per_row)),
      body);
}

}  // namespace r1
