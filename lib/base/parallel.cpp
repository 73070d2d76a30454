#include "lib/base/parallel.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include <sched.h>

namespace r1 {
namespace {

// Long enough to bridge the gap between two ops of a step, short enough to give the core back when
// another process wants it: an unbounded spin lost 8 ms a call on a busy machine.
constexpr auto kSpin = std::chrono::microseconds(50);

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Processors that this process may run on.
std::vector<std::size_t> allowed_processors() {
  std::vector<std::size_t> allowed;
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0)
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &set)) allowed.push_back(cpu);
  if (allowed.empty())  // there are more than a set holds
    for (std::size_t cpu = 0; cpu < std::max(1u, std::thread::hardware_concurrency()); ++cpu)
      allowed.push_back(cpu);
  return allowed;
}

// How many of them it may keep busy: a control group has a quota of time.
int processors() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string limit;
  std::getline(file, limit);
  return std::min(static_cast<int>(allowed_processors().size()), processors_of_quota(limit));
}

}  // namespace

// A thread that goes to sleep is counted before it looks once more, and who changes the value looks
// at the count after that: one of them sees the other.
void Awaited::wake() {
  if (sleeping_.load() > 0) value_.notify_all();
}

void Awaited::wait_while(std::uint32_t old, bool spins) {
  const auto end = std::chrono::steady_clock::now() + (spins ? kSpin : kSpin.zero());
  do {
    for (int i = 0; i < 64; ++i) {
      if (load() != old) return;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  ++sleeping_;
  value_.wait(old);
  --sleeping_;
}

int processors_of_quota(const std::string& limit) {
  std::istringstream words(limit);
  double quota = 0, period = 0;
  if (!(words >> quota >> period) || quota <= 0 || period <= 0) return INT_MAX;
  return static_cast<int>(std::clamp(std::ceil(quota / period), 1.0, 1e6));
}

int physical_cores() {
  std::set<std::string> cores;  // "0-3" names the thread siblings of one core
  for (const std::size_t cpu : allowed_processors()) {
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                       "/topology/thread_siblings_list");
    std::string siblings;
    if (std::getline(file, siblings)) cores.insert(siblings);
  }
  const int most = processors();
  return cores.empty() ? most : std::min(most, static_cast<int>(cores.size()));
}

ThreadPool::ThreadPool(int threads) {
  constexpr int kMostOnFewProcessors = 16;
  if (threads <= 0) threads = physical_cores();
  threads = std::min(threads, std::max(kMostOnFewProcessors, processors()));
  spins_ = threads <= processors();
  workers_.reserve(static_cast<std::size_t>(threads));
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
  } catch (const std::exception&) {  // a limit on threads or memory: those there are do the work
  }
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  generation_.count_up();
  generation_.wake();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::work(int thread) {
  std::uint32_t seen = 0;
  while (true) {
    generation_.wait_while(seen, spins_);
    seen = generation_.load();
    if (stop_) return;
    call(thread);
    if (running_.count_down() == 0) running_.wake();
  }
}

void ThreadPool::call(int thread) {
  const auto [body, count, grain, parts] = ranges_;
  if (thread >= parts) return;
  const std::int64_t grains = (count + grain - 1) / grain;
  const std::int64_t begin = grains * thread / parts * grain;
  const std::int64_t end = std::min(count, grains * (thread + 1) / parts * grain);
  try {
    if (begin < end) (*body)(begin, end);
  } catch (...) {
    const std::lock_guard lock(failing_);
    if (!failure_) failure_ = std::current_exception();
  }
}

void ThreadPool::run(const std::function<void(int)>& body) {
  for_ranges(threads(), 1,
             [&](std::int64_t thread, std::int64_t) { body(static_cast<int>(thread)); });
}

void ThreadPool::for_ranges(std::int64_t count, std::int64_t grain,
                            const std::function<void(std::int64_t, std::int64_t)>& body) {
  const std::int64_t grains = (count + grain - 1) / grain;
  const auto parts = static_cast<int>(std::min<std::int64_t>(threads(), grains));
  if (parts <= 1) {
    if (count > 0) body(0, count);
    return;
  }
  ranges_ = {&body, count, grain, parts};
  running_.store(static_cast<std::uint32_t>(workers_.size()));
  generation_.count_up();
  generation_.wake();
  call(0);
  while (const std::uint32_t left = running_.load()) running_.wait_while(left, spins_);
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace r1
