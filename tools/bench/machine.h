#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace r1 {

// What this machine says of itself (/proc and /sys); what it does not say is empty or 0.
struct CpuInfo {
  std::string name;  // "AMD EPYC 9R14"
  std::int64_t cores = 0, processors = 0;
  std::int64_t memory_bytes = 0;
  std::vector<std::string> features;  // those that kernels make use of: "avx2", "avx512_bf16"
  struct Cache {
    int level = 0;
    std::int64_t bytes = 0;
    int shared_by = 0;  // processors
  };
  std::vector<Cache> caches;  // that hold data, nearest first
};
const CpuInfo& cpu_info();

// Bytes of which only a small part fits into all caches of the machine, and into a quarter of its
// memory: 256 MiB, or four times the caches where these are larger.
double beyond_caches();

std::int64_t available_memory();  // bytes that may be taken without swapping

// Of this process: the most memory it had since `reset_peak_rss`, or since it began where that is
// not allowed. Nothing where the system does not say.
void reset_peak_rss();
std::optional<std::int64_t> peak_rss();

// Seconds of CPU time that everything on the machine has had, and this process. Their difference
// over a while is what others took.
struct CpuTimes {
  double all = 0, own = 0, wall = 0;  // wall: seconds of a steady clock
};
std::optional<CpuTimes> cpu_times();
// Share of the machine's CPU time between the two that other processes had. Nothing over less than
// a fifth of a second: the machine counts in hundredths.
std::optional<double> interference(const std::optional<CpuTimes>& before,
                                   const std::optional<CpuTimes>& after);
// What is said of that share; nothing up to a twentieth.
std::optional<std::string> disturbance(std::optional<double> share);

// How fast a core is right now: steps a nanosecond of a chain of additions and multiplications,
// each waiting for the last. Takes 2 ms. For comparing with itself.
double core_speed();
// How often the machine says it slowed its cores because they were hot.
std::int64_t throttle_count();

}  // namespace r1
