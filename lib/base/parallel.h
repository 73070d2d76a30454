#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace r1 {

// A fixed pool. `run` calls body(thread) once on each of `threads()` threads, the caller being
// thread 0, and returns when all are done. Workers spin some tens of microseconds for the next
// call, then sleep. What one body throws, `run` throws when all are done. Bodies must not call
// `run`.
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
  void work(int thread);
  void call(int thread);

  bool spins_ = true;
  std::vector<std::thread> workers_;
  const std::function<void(int)>* body_ = nullptr;
  std::atomic<std::uint32_t> generation_{0};
  std::atomic<int> running_{0};
  std::atomic<bool> stop_{false};
  std::mutex failing_;
  std::exception_ptr failure_;  // the first of a `run`
};

// That this process may keep busy, by its affinity and its control group.
int physical_cores();
// What cpu.max of a control group allows, "150000 100000" two; no limit: INT_MAX.
int processors_of_quota(const std::string& limit);

}  // namespace r1
