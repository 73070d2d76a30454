#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "tools/bench/probes.h"
#include "tools/bench/record.h"

namespace r1 {

// What this machine does not let us measure: the test is skipped, and has not failed.
class CannotMeasure : public Error {
 public:
  explicit CannotMeasure(const std::string& why) : Error(ErrorKind::device, why) {}
};

struct How {
  std::int64_t repeat = 5, warmup = 1;
  double min_time_ns = 1e9;
  std::int64_t delay_ms = 0;
  bool check_thermal = false;
};

// One thing to be timed, ready to run.
struct Runnable {
  BenchRecord record;  // id, model, test, tokens: what is known before
  Work work;
  std::function<void()> run;
  std::function<void()> wait;     // on a card: until all that runs queued is done, once a sample
  std::function<double()> timed;  // instead of `run`: returns a sample, in nanoseconds
  // What the last run left to say, such as output_digest; may be empty.
  std::function<void(BenchRecord&)> finish;
};

// Runs it and completes its record: samples, limit, interference, memory. A signal ends it early
// with `interrupted`. A sample of something quick is the time of many runs, divided.
BenchRecord measure(Runnable& runnable, const How& how, Probes& probes);

// Bytes and operations a nanosecond, as the record has them.
void add_rates(BenchRecord& record, const Work& work);
// Of a card: the most memory since the backend's reset_peak.
std::optional<std::int64_t> peak_vram(const Backend& backend);

// Sleeps, or fails with `interrupted`.
void wait_for(double ms);

}  // namespace r1
