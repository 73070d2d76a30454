#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace r1 {

// A number that threads wait for. To wake nobody costs no call to the system.
class Awaited {
 public:
  std::uint32_t load() const { return value_.load(std::memory_order_acquire); }
  void store(std::uint32_t value) { value_.store(value, std::memory_order_relaxed); }
  void count_up() { ++value_; }
  std::uint32_t count_down() { return --value_; }  // what is left
  void wake();                                     // all that wait, after a change
  // Until it is something else than `old`. Spins for a while first, if it may.
  void wait_while(std::uint32_t old, bool spins);

 private:
  std::atomic<std::uint32_t> value_{0}, sleeping_{0};
};

// A fixed pool. `run` calls body(thread) once on each of `threads()` threads, the caller being
// thread 0, and returns when all are done. Workers spin some tens of microseconds for the next
// call, then sleep. What one body throws is thrown when all are done. Bodies must not call the
// pool.
class ThreadPool {
 public:
  // 0: one per physical core. There are never more than 16 or, if that is more, than the machine
  // has processors, and fewer where the system allows no more.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  void run(const std::function<void(int)>& body);

  // [0, count) cut into at most `threads()` runs of whole `grain`s; body(begin, end) for each.
  // The cut depends on count, grain and threads only; each index is worked on exactly once.
  void for_ranges(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body);

 private:
  struct Ranges {  // of a `for_ranges`
    const std::function<void(std::int64_t, std::int64_t)>* body = nullptr;
    std::int64_t count = 0, grain = 1;
    int parts = 0;
  };
  void work(int thread);
  void call(int thread);

  bool spins_ = true;
  std::vector<std::thread> workers_;
  // What workers wait for and then read is one cache line: each line more that comes from another
  // core takes as long as the shortest of calls.
  static constexpr std::size_t kLine = 64;
  alignas(kLine) Awaited generation_;
  Ranges ranges_;
  alignas(kLine) Awaited running_;
  std::atomic<bool> stop_{false};
  std::mutex failing_;
  std::exception_ptr failure_;  // the first of a `run`
};

// That this process may keep busy, by its affinity and its control group.
int physical_cores();
// What cpu.max of a control group allows, "150000 100000" two; no limit: INT_MAX.
int processors_of_quota(const std::string& limit);

}  // namespace r1
