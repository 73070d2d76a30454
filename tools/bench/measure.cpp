#include "tools/bench/measure.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "lib/base/error.h"
#include "tools/bench/machine.h"
#include "tools/common/signals.h"
#include "tools/common/ui.h"

namespace r1 {
namespace {

constexpr double kLeastSample = 1e6;  // nanoseconds: ten thousand times the clock's own step
constexpr double kLeastOnCard = 5e6;  // a hundred times what starting and waiting take, and more
constexpr std::size_t kMostSamples = 1000;
constexpr double kSameSpeed = 0.05;  // of a core, before and after

// A tenth of a nanosecond is less than any clock tells.
double rounded(double ns) { return std::round(10 * ns) / 10; }

// The time of a run: of so many, one behind the other, divided.
double sample(const Runnable& r, std::int64_t iterations) {
  if (r.timed) return rounded(r.timed());
  const auto start = Clock::now();
  for (std::int64_t i = 0; i < iterations; ++i) r.run();
  if (r.wait) r.wait();
  return rounded(nanoseconds_since(start) / static_cast<double>(iterations));
}

// The first sample of as many runs as take this long. The first guess at how many is too high where
// runs alone are slow to start.
double first_sample(const Runnable& r, double least, std::int64_t& iterations) {
  constexpr double kEnough = 0.8;
  for (;;) {
    stop_when_interrupted();
    const double one = sample(r, iterations), taken = std::max(1.0, one);
    if (static_cast<double>(iterations) * taken >= kEnough * least) return one;
    iterations = std::max(iterations + 1, static_cast<std::int64_t>(std::ceil(least / taken)));
  }
}

// The speed of a core when it is not held back: the best that was ever seen.
double& best_speed() {
  static double best = 0;
  return best;
}

// Waits, at most half a minute, until a core is as fast as it ever was.
double settled_speed(bool wait) {
  constexpr int kTries = 60;
  double speed = core_speed();
  for (int i = 0; wait && i < kTries && speed < (1 - kSameSpeed) * best_speed(); ++i) {
    wait_for(500);
    speed = core_speed();
  }
  best_speed() = std::max(best_speed(), speed);
  return speed;
}

void note_speed(BenchRecord& r, double before, std::int64_t throttled, bool check) {
  const double after = core_speed();
  if (after < (1 - kSameSpeed) * before)
    r.warnings.push_back(
        fmt::format("the cores became {:.0f} % slower", 100 * (1 - after / before)));
  if (check && before < (1 - kSameSpeed) * best_speed())
    r.warnings.push_back(fmt::format("the cores began {:.0f} % slower than they have been",
                                     100 * (1 - before / best_speed())));
  if (check && throttle_count() > throttled)
    r.warnings.emplace_back("the machine slowed hot cores");
}

void take_samples(const Runnable& runnable, const How& how, BenchRecord& r) {
  for (std::int64_t i = 0; i < how.warmup; ++i) {
    stop_when_interrupted();
    sample(runnable, 1);
  }
  // Long enough that half as many samples as are kept take the time asked for.
  const double least =
      std::max(runnable.wait ? kLeastOnCard : kLeastSample, 2 * how.min_time_ns / kMostSamples);
  const auto start = Clock::now();
  if (!runnable.timed) r.samples_ns = {first_sample(runnable, least, r.test.iterations)};
  while (r.samples_ns.size() < kMostSamples &&
         (static_cast<std::int64_t>(r.samples_ns.size()) < how.repeat ||
          nanoseconds_since(start) < how.min_time_ns)) {
    stop_when_interrupted();
    r.samples_ns.push_back(sample(runnable, r.test.iterations));
  }
}

}  // namespace

void add_rates(BenchRecord& r, const Work& work) {
  const double ns = r.median_ns();
  if (work.bytes > 0) r.gb_per_s = work.bytes / ns;
  if (const double operations = work.total_operations(); operations > 0)
    r.tflop_per_s = operations / ns / 1e3;
}

std::optional<std::int64_t> peak_vram(const Backend& backend) {
  const DeviceMemory card = backend.memory();
  return card.total > 0 ? std::optional(static_cast<std::int64_t>(card.peak)) : std::nullopt;
}

void wait_for(double ms) {
  const auto end = Clock::now() + std::chrono::duration<double, std::milli>(ms);
  while (Clock::now() < end) {
    stop_when_interrupted();
    const auto slice = std::chrono::duration_cast<Clock::duration>(std::chrono::milliseconds(20));
    std::this_thread::sleep_until(
        std::min(Clock::now() + slice, std::chrono::time_point_cast<Clock::duration>(end)));
  }
}

// The limit is probed on both sides of the samples; the better one counts.
BenchRecord measure(Runnable& runnable, const How& how, Probes& probes) {
  BenchRecord r = runnable.record;
  if (how.delay_ms > 0) wait_for(static_cast<double>(how.delay_ms));
  r.time = utc_now();
  const double speed = settled_speed(how.check_thermal);
  const std::int64_t throttled = throttle_count();
  const bool limited = runnable.work.bytes > 0 || !runnable.work.operations.empty();
  if (limited) {
    r.limit = probes.limit_of(runnable.work);
    probes.release();  // it is no memory of the test
  }
  reset_peak_rss();
  probes.backend().reset_peak();
  const auto before = cpu_times();
  take_samples(runnable, how, r);
  r.interference = interference(before, cpu_times());
  r.peak_rss = peak_rss();
  r.peak_vram = peak_vram(probes.backend());
  if (limited)
    if (const Limit again = probes.limit_of(runnable.work); again.floor_ns < r.limit->floor_ns)
      r.limit = again;
  note_speed(r, speed, throttled, how.check_thermal);
  if (const auto warning = disturbance(r.interference)) r.warnings.push_back(*warning);
  add_rates(r, runnable.work);
  if (runnable.finish) runnable.finish(r);
  return r;
}

}  // namespace r1
