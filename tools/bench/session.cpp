#include "tools/bench/session.h"

#include <algorithm>

#include "lib/base/error.h"
#include "tools/bench/machine.h"
#include "tools/bench/ranges.h"
#include "tools/common/results.h"
#include "tools/common/signals.h"
#include "tools/common/ui.h"

namespace r1 {
namespace {

How how_of(const BenchSettings& s) {
  return {.repeat = s.repeat,
          .warmup = s.warmup,
          .min_time_ns = static_cast<double>(s.min_time_ms) * 1e6,
          .delay_ms = s.delay_ms,
          .check_thermal = s.check_thermal};
}

}  // namespace

Session::Session(const BenchSettings& s, const Ui& ui, Probes& probes,
                 const std::vector<Planned>& planned)
    : s_(s),
      ui_(ui),
      probes_(probes),
      how_(how_of(s)),
      card_(probes.backend().info()),
      progress_(ui, "r1-bench", !ui.stdout_tty || s.output != "-"),
      planned_(static_cast<std::int64_t>(planned.size())),
      out_(open_results(s.output, s.form() == "jsonl", s.force)),
      writer_(record_writer(s.form(), planned, !s.price.empty(), [this](std::string_view text) {
        out_->write(text);
        out_->flush();
      })) {}

void Session::run(const BenchRecord& known, const std::function<Runnable()>& prepare) {
  run_all({known}, [&] {
    Runnable runnable = prepare();
    return std::vector{measure(runnable, how_, probes_)};
  });
}

void Session::run_all(const std::vector<BenchRecord>& known,
                      const std::function<std::vector<BenchRecord>()>& measured) {
  progress_.draw(static_cast<std::int64_t>(records_.size()), planned_);
  std::vector<BenchRecord> records;
  try {
    records = measured();
  } catch (const CannotMeasure& e) {
    for (const BenchRecord& r : known) add_skipped(r, e);
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::usage) throw;
    for (const BenchRecord& r : known) add_error(r, e);
    stop_when_interrupted();
  } catch (const std::bad_alloc&) {
    for (const BenchRecord& r : known) add_error(r, {ErrorKind::oom_cpu, "out of memory"});
  }
  for (BenchRecord& record : records) add(std::move(record));
}

void Session::stop_when_interrupted() {
  if (caught_signal() == 0) return;
  writer_->end();
  out_->flush();
  r1::stop_when_interrupted();
}

void Session::add(BenchRecord&& r) {
  r.card = card_;
  r.index = static_cast<std::int64_t>(records_.size());
  if (!s_.price.empty()) r.price_per_hour = parse_price(s_.price, "--price");
  progress_.clear();
  writer_->add(r);
  const auto disturbed = disturbance(r.interference);  // said of all at the end
  if (disturbed) {
    ++disturbed_;
    most_disturbed_ = std::max(most_disturbed_, *r.interference);
  }
  for (const std::string& warning : r.warnings)
    if (warning != disturbed) ui_.say("r1-bench", fmt::format("{}: {}", r.id, warning), 0);
  records_.push_back(std::move(r));
}

void Session::add_skipped(BenchRecord r, const CannotMeasure& why) {
  r.time = utc_now();
  r.skipped = true;
  r.warnings.emplace_back(why.what());
  add(std::move(r));
}

void Session::add_error(BenchRecord r, const Error& e) {
  r.time = utc_now();
  r.error_code = code(e.kind());
  r.error = e.what();
  r.error_retryable = retryable(e.kind());
  if (e.kind() != ErrorKind::interrupted) ui_.say("r1-bench", r.id + ": " + r.error, -1);
  status_ = std::max(status_, e.kind() == ErrorKind::write ? exit_status(e.kind()) : 1);
  add(std::move(r));
}

int Session::end() {
  progress_.clear();
  writer_->end();
  out_->close();
  if (disturbed_ > 0)
    ui_.say("r1-bench",
            fmt::format("other processes took up to {:.0f} % of the CPU time, in {} of {} tests",
                        100 * most_disturbed_, disturbed_, records_.size()),
            0);
  return status_;
}

}  // namespace r1
