#pragma once

#include <memory>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/output.h"
#include "tools/bench/formats.h"
#include "tools/bench/measure.h"
#include "tools/bench/settings.h"
#include "tools/common/progress.h"
#include "tools/common/ui.h"

namespace r1 {

// One run of r1-bench over tests: measures each, writes its record, says what casts doubt on it.
class Session {
 public:
  // Opens the output; `planned` are the tests to come. `probes` outlives this.
  Session(const BenchSettings& settings, const Ui& ui, Probes& probes,
          const std::vector<Planned>& planned);

  // Prepares and measures one test; what fails is a record of its own. `known`: its id and model,
  // for that record. A signal, wrong settings and an output that cannot be written end the run.
  void run(const BenchRecord& known, const std::function<Runnable()>& prepare);
  // The same of a test that makes several records, and as many where it fails.
  void run_all(const std::vector<BenchRecord>& known,
               const std::function<std::vector<BenchRecord>()>& measured);
  void add(BenchRecord&& record);  // one that was measured elsewhere
  void add_error(BenchRecord record, const Error& error);
  void draw(std::int64_t done, std::int64_t expected) { progress_.draw(done, expected); }
  // Fails with `interrupted` when a signal has come; a reader of a pipe then has whole lines and
  // documents.
  void stop_when_interrupted();
  // Ends the output; the exit status.
  int end();

  const std::vector<BenchRecord>& records() const { return records_; }

 private:
  void add_skipped(BenchRecord record, const CannotMeasure& why);

  const BenchSettings& s_;
  const Ui& ui_;
  Probes& probes_;
  How how_;
  DeviceInfo card_;
  ProgressLine progress_;
  std::int64_t planned_;
  std::unique_ptr<Output> out_;
  std::unique_ptr<RecordWriter> writer_;
  std::vector<BenchRecord> records_;
  int status_ = 0;
  std::int64_t disturbed_ = 0;  // tests beside which other processes ran
  double most_disturbed_ = 0;   // their largest share
};

}  // namespace r1
