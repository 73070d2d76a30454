#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/train/checkpoint.h"
#include "tools/common/progress.h"
#include "tools/common/ui.h"
#include "tools/finetune/lessons.h"
#include "tools/finetune/pupil.h"
#include "tools/finetune/records.h"
#include "tools/finetune/samples.h"

namespace r1 {

TrainOptions train_options(const FinetuneSettings& settings);
// Where a run keeps what it goes on with, and what was best by --val.
Checkpoints checkpoints_of(const FinetuneSettings& settings, const Recipe& recipe);
Checkpoints best_of(const FinetuneSettings& settings, const Recipe& recipe);
// Those of --resume-from.
Checkpoints earlier_checkpoints(const FinetuneSettings& settings, const Recipe& recipe);

// The steps of a run, from the first or from behind a checkpoint to the last: records, their curve,
// validation, checkpoints, and when it is over.
class Course {
 public:
  using Clock = std::chrono::steady_clock;

  // What is known of its steps before the first; 0: it is not known, or none.
  struct Known {
    double tokens_at_peak = 0;  // of the machine, a second
    double fp8_share = 0;       // StepWork's
    double loading = 0;         // seconds that the model took
    double step_seconds = 0;    // at half of the peak, of a step
  };
  // `begun`: when the time budget began to run. What it is given outlives it.
  Course(const FinetuneSettings& settings, Pupil& pupil, const Lessons& lessons,
         const SamplePrompts& prompts, const Recipe& recipe, const Ui& ui, Clock::time_point begun,
         const Known& known);

  const std::string& lost_records() const { return log_->lost(); }  // of standard output
  // Afterwards the pupil knows what is to be exported. Fails with `interrupted` after a signal,
  // when a checkpoint is written. However it ends, the curve is drawn as far as there are records.
  void run();

 private:
  // What is gone on with, beside weights and moments.
  struct State {
    double loss = 0, steps = 0;  // since the last record: their sum, and of how many steps
    double tokens = 0;           // since the first step
    double begun = 0;            // after so many steps of another run
    double untaught = 0;         // loss on --val before the first step
    double best = std::numeric_limits<double>::max(), worse = 0;  // after others; times in a row
    double planned = 0;                                           // steps, by --time-budget
    double spent = 0;                                             // of it, in earlier processes
    TrainProgress trained;
    std::optional<TrainStep> due;  // its record is still to be made
  };
  static std::map<std::string, double> numbers_of(const State& s);
  static State state_of(const Checkpoints::Progress& progress);
  bool before_first() const { return static_cast<double>(trainer_.done()) == state_.begun; }

  void teach();  // the steps
  void draw(const std::vector<TrainRecord>& records) const;
  // After so many steps that have their records; nothing: there is no checkpoint.
  std::optional<std::int64_t> go_on();
  void begin_behind();  // a checkpoint of another run
  // Weights and moments are its own then. Says which were passed over.
  std::optional<State> loaded(const Checkpoints& from);
  void count(const TrainStep& step);
  void end(const TrainStep& step);  // a look and a record, where they are due, and a checkpoint
  // What is found out now and then.
  struct Look {
    std::optional<double> val_loss;
    std::vector<std::string> samples;
  };
  bool looks() const { return s_.measures() || prompts_.any(); }
  Look look();
  double validate();
  void say_if_unhelpful() const;
  void take_best();
  void show(const std::vector<std::string>& samples) const;
  void report(const TrainStep& step, const Look& found);
  void keep_to_budget();
  double spent() const;  // seconds of the time budget
  double seconds_of_end() const;
  std::int64_t guessed_steps() const;
  void plan(std::int64_t steps);
  std::string progress(const TrainStep& step) const;  // for a terminal
  void save(const Checkpoints& to);
  bool over() const;

  const FinetuneSettings& s_;
  Pupil& pupil_;
  const Lessons& lessons_;
  const SamplePrompts& prompts_;
  const Ui& ui_;
  Trainer trainer_;
  Checkpoints saved_, best_;
  std::vector<NamedTensor> tensors_;
  State state_;
  std::optional<TrainLog> log_;
  ProgressLine line_;
  std::int64_t steps_;                    // in all
  Clock::time_point begun_;               // this process
  double step_seconds_ = 0;               // as far as it is known
  double look_seconds_ = 0;               // the last one; 0: none yet
  double taught_ = 0, taught_first_ = 0;  // seconds in steps of this process, in its first
  Known known_;
  // Where this process began with its steps.
  struct {
    Clock::time_point time;
    std::int64_t steps = 0;
    double tokens = 0;
  } start_;
  double taught_reported_ = 0, tokens_reported_ = 0;  // at the last record
};

}  // namespace r1
