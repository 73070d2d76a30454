#include "tools/bench/machine.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "lib/base/parallel.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kKib = 1024;

std::string first_line(const fs::path& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

// The value of "key : value" in a file of such lines.
std::string value_of(const fs::path& path, const std::string& key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || line.find_first_not_of(" \t", key.size()) != colon) continue;
    const std::size_t at = line.find_first_not_of(" \t", colon + 1);
    return at == std::string::npos ? std::string() : line.substr(at);
  }
  return {};
}

std::int64_t kibibytes(const std::string& text) {  // "1234 kB", "32K"
  return text.empty() ? 0 : std::atoll(text.c_str()) * kKib;
}

// "0-3,8" names five processors.
int count_of_list(const std::string& list) {
  int n = 0;
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t dash = part.find('-');
    n += dash == std::string::npos
             ? 1
             : std::atoi(part.c_str() + dash + 1) - std::atoi(part.c_str()) + 1;
  }
  return n;
}

std::vector<std::string> features() {
  std::istringstream flags(value_of("/proc/cpuinfo", "flags"));
  const std::vector<std::string> have{std::istream_iterator<std::string>(flags), {}};
  std::vector<std::string> found;
  for (const char* name : {"sse4_2", "f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512bw",
                           "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8"})
    if (std::find(have.begin(), have.end(), name) != have.end()) found.emplace_back(name);
  return found;
}

std::vector<CpuInfo::Cache> caches() {
  std::vector<CpuInfo::Cache> found;
  const fs::path all = "/sys/devices/system/cpu/cpu0/cache";
  for (int i = 0;; ++i) {
    const fs::path one = all / fmt::format("index{}", i);
    if (std::error_code ignored; !fs::exists(one, ignored)) break;
    if (first_line(one / "type") == "Instruction") continue;
    found.push_back({std::atoi(first_line(one / "level").c_str()),
                     kibibytes(first_line(one / "size")),
                     count_of_list(first_line(one / "shared_cpu_list"))});
  }
  return found;
}

CpuInfo read_cpu_info() {
  CpuInfo cpu;
  cpu.name = value_of("/proc/cpuinfo", "model name");
  cpu.cores = physical_cores();
  cpu.processors = static_cast<std::int64_t>(std::thread::hardware_concurrency());
  cpu.memory_bytes = kibibytes(value_of("/proc/meminfo", "MemTotal"));
  cpu.features = features();
  cpu.caches = caches();
  return cpu;
}

double seconds_of(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace

const CpuInfo& cpu_info() {
  static const CpuInfo cpu = read_cpu_info();
  return cpu;
}

double beyond_caches() {
  constexpr double kLeast = 256 << 20;
  const CpuInfo& cpu = cpu_info();
  double largest = 0;
  for (const CpuInfo::Cache& c : cpu.caches) {
    const auto sharing = static_cast<double>(std::max(1, c.shared_by));
    const double there = std::max(1.0, static_cast<double>(cpu.processors) / sharing);
    largest = std::max(largest, static_cast<double>(c.bytes) * there);
  }
  const double most = std::max(kLeast, static_cast<double>(cpu.memory_bytes) / 4);
  return std::clamp(4 * largest, kLeast, most);
}

std::int64_t available_memory() { return kibibytes(value_of("/proc/meminfo", "MemAvailable")); }

void reset_peak_rss() { std::ofstream("/proc/self/clear_refs") << "5"; }

std::optional<std::int64_t> peak_rss() {
  const std::int64_t bytes = kibibytes(value_of("/proc/self/status", "VmHWM"));
  return bytes > 0 ? std::optional(bytes) : std::nullopt;
}

// /proc/stat: user nice system idle iowait irq softirq steal, in ticks. What a hypervisor took away
// is others' time as well.
std::optional<CpuTimes> cpu_times() {
  std::istringstream words(first_line("/proc/stat"));
  std::string name;
  double ticks[8] = {};
  words >> name;
  for (double& t : ticks) words >> t;
  if (!words || name != "cpu") return std::nullopt;
  const double busy = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6] + ticks[7];
  return CpuTimes{busy / static_cast<double>(::sysconf(_SC_CLK_TCK)),
                  seconds_of(CLOCK_PROCESS_CPUTIME_ID), seconds_of(CLOCK_MONOTONIC)};
}

std::optional<double> interference(const std::optional<CpuTimes>& before,
                                   const std::optional<CpuTimes>& after) {
  constexpr double kLeastSeconds = 0.2;
  if (!before || !after || after->wall - before->wall < kLeastSeconds) return std::nullopt;
  const double others = (after->all - before->all) - (after->own - before->own);
  const double room = (after->wall - before->wall) *
                      static_cast<double>(std::max(1U, std::thread::hardware_concurrency()));
  return std::clamp(others / room, 0.0, 1.0);
}

std::optional<std::string> disturbance(std::optional<double> share) {
  constexpr double kQuiet = 0.05;
  if (share.value_or(0) <= kQuiet) return std::nullopt;
  return fmt::format("other processes took {:.0f} % of the CPU time", 100 * *share);
}

double core_speed() {
  constexpr int kSteps = 200'000, kTries = 5;
  double best = 0;
  for (int i = 0; i < kTries; ++i) {
    const double start = seconds_of(CLOCK_MONOTONIC);
    std::uint64_t x = static_cast<std::uint64_t>(i);
    for (int k = 0; k < kSteps; ++k) x = x * 0x5851f42d4c957f2dU + 0x14057b7ef767814fU;
    const volatile std::uint64_t kept = x;
    static_cast<void>(kept);
    best = std::max(best, kSteps / (seconds_of(CLOCK_MONOTONIC) - start) * 1e-9);
  }
  return best;
}

std::int64_t throttle_count() {
  std::int64_t total = 0;
  for (unsigned cpu = 0; cpu < std::thread::hardware_concurrency(); ++cpu)
    total += std::atoll(
        first_line(
            fmt::format("/sys/devices/system/cpu/cpu{}/thermal_throttle/core_throttle_count", cpu))
            .c_str());
  return total;
}

}  // namespace r1
