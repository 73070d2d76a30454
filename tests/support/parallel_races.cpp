// Uses a pool as the kernels do, under the thread sanitizer: what one call writes, the next one and
// the caller read, with no other synchronization. The sanitizer ends it with a report and a status.
#include <cstdio>
#include <vector>

#include "lib/base/parallel.h"

int main() {
  constexpr std::int64_t kCount = 1000;
  std::int64_t sum = 0;
  for (const int threads : {1, 2, 3, 8}) {
    r1::ThreadPool pool(threads);
    std::vector<std::int64_t> a(kCount), b(kCount);
    for (std::int64_t round = 0; round < 200; ++round) {
      pool.for_ranges(kCount, 7, [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
          a[i] = b[kCount - 1 - i] + round;
      });
      pool.for_ranges(kCount, 1, [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
          b[i] = a[kCount - 1 - i];
      });
      sum += b[static_cast<std::size_t>(round)];
    }
  }
  std::printf("%lld\n", static_cast<long long>(sum));
}
