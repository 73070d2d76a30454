#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "lib/base/output.h"

namespace r1 {

// What is said of the steps since the last report.
struct TrainRecord {
  std::int64_t step = 0;
  double loss = 0, rate = 0, norm = 0;  // mean loss; of the last step
  std::int64_t tokens = 0;              // trained since the beginning
  std::int64_t skipped = 0;             // steps, since the beginning
  std::optional<double> val_loss;
  double tokens_per_second = 0, memory = 0;  // with --timing; bytes
};

// Records on standard output, as JSON lines, and in a table. A closed pipe ends the records, not
// the training.
class TrainLog {
 public:
  // `csv` may be empty. `timing`: also what differs from run to run.
  TrainLog(const std::string& csv, bool timing);
  void write(const TrainRecord& record);
  void close();

 private:
  std::unique_ptr<Output> out_, csv_;
  bool timing_;
  std::int64_t index_ = 0;
};

}  // namespace r1
