#include "kernels/cpu/cpu_backend.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "lib/base/error.h"

#if R1_HAS_avx2
#include <cpuid.h>
#elif R1_HAS_dotprod
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace r1 {
namespace {

bool always() { return true; }

#if R1_HAS_avx2
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

// Registers a, b, c and d of the processor's features, which clang 14 does not know by name.
std::array<unsigned, 4> features(unsigned leaf) {
  constexpr unsigned kFeatures = 7;
  std::array<unsigned, 4> r{};
  __get_cpuid_count(kFeatures, leaf, &r[0], &r[1], &r[2], &r[3]);
  return r;
}

bool has_avx2_vnni() { return has_avx2() && (features(1)[0] & 1u << 4) != 0; }

bool has_avx512_vnni() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}

bool has_avx512_fp16() { return has_avx512_vnni() && (features(0)[3] & 1u << 23) != 0; }

bool has_avx512() { return has_avx512_vnni() && __builtin_cpu_supports("avx512bf16"); }

// Intel's processors (Sapphire and Emerald Rapids) take two cycles for an instruction that sums
// pairs of bf16, and a quarter of that for each of the two that do the same in f32.
bool has_fast_bf16() { return !__builtin_cpu_is("intel"); }
#elif R1_HAS_dotprod
bool has_dotprod() { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
#endif

struct Level {
  bool (*is_there)();
  bool (*pays)();  // or the next is faster
  const cpu::Kernels& kernels;
};
const Level kLevels[] = {  // the best first
#if R1_HAS_avx2
    {has_avx512, has_fast_bf16, avx512::kKernels},
    {has_avx512_fp16, always, avx512_fp16::kKernels},
    {has_avx512_vnni, always, avx512_vnni::kKernels},
    {has_avx2_vnni, always, avx2_vnni::kKernels},
    {has_avx2, always, avx2::kKernels},
#elif R1_HAS_dotprod
    {has_dotprod, always, dotprod::kKernels},
#endif
    {always, always, baseline::kKernels}};

const cpu::Kernels& choose(std::string_view isa) {
  std::string names;
  for (const Level& level : kLevels) {
    if (level.kernels.name == isa) {
      if (!level.is_there()) fail(ErrorKind::device, "this machine has no {}", isa);
      return level.kernels;
    }
    if (isa.empty() && level.is_there() && level.pays()) return level.kernels;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", level.kernels.name);
  }
  fail(ErrorKind::usage, "no instruction set is called '{}' ({})", escaped(isa), names);
}

}  // namespace

CpuBackend::CpuBackend(int threads, std::string_view isa) : CpuBackend(threads, choose(isa)) {}

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
