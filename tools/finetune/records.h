#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/output.h"
#include "tools/finetune/event_file.h"
#include "tools/finetune/settings.h"

namespace r1 {

// What is said of the steps since the last report.
struct TrainRecord {
  std::int64_t step = 0;
  std::optional<double> loss;  // mean; nothing before the first step, and where all were skipped
  double rate = 0;             // of the last step
  std::optional<double> norm;  // likewise
  std::int64_t tokens = 0;     // trained since the beginning
  std::int64_t skipped = 0;    // steps, since the beginning
  std::optional<double> loss_scale;  // of fp16
  std::optional<double> fp8_share;   // of fp8: share of the work of products
  std::optional<double> val_loss;
  std::vector<std::string> samples;  // what follows each --sample-prompt
  // With --timing.
  double tokens_per_second = 0;
  std::optional<double> share_of_peak;  // of the machine's, where that is known
  double memory = 0;                    // bytes
};

// The record of why a run ended, as a line of JSON.
std::string failure_json(const Error& error);

// Those of a file of records, up to the first line that is none: a run may have been cut there. No
// file is no records.
std::vector<TrainRecord> read_records(const std::filesystem::path& path);

// The table of --log-csv, of a run that is finished.
void write_table_of_run(const FinetuneSettings& settings);

// The records of a run: on standard output, as JSON lines; in a table; in an event file; and in
// records.jsonl of the run's folder, which is that of the whole run, however often it was gone on
// with. A closed pipe ends those on standard output, not the training.
class TrainLog {
 public:
  // `done`: steps that are gone on after; records of later ones are made again. Nothing: a new run.
  TrainLog(const FinetuneSettings& settings, std::optional<std::int64_t> done);
  void write(const TrainRecord& record);
  std::vector<TrainRecord> so_far() const;  // those of the whole run, from its journal
  std::vector<TrainRecord> close();         // all of them
  // Why standard output has not all of them; empty: it has, or nobody reads on.
  const std::string& lost() const { return lost_; }

 private:
  std::filesystem::path path_;
  std::unique_ptr<Output> out_, journal_, csv_;
  std::optional<EventFile> events_;
  std::string lost_;
  bool timing_;  // standard output gets what differs from run to run too
  std::int64_t index_ = 0, journal_index_ = 0;
};

}  // namespace r1
