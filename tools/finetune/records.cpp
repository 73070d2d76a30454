#include "tools/finetune/records.h"

#include <limits>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "tools/common/results.h"

namespace r1 {
namespace {

std::string line_of(const TrainRecord& r, std::int64_t index, bool timing) {
  JsonWriter w;
  w.begin_object().key("schema").string("r1.train/1").key("index").integer(index);
  w.key("id").string(fmt::format("step-{}", r.step)).key("step").integer(r.step);
  r.step > 0 ? w.key("loss").number(r.loss) : w.key("loss").null();
  w.key("lr").number(r.rate).key("tokens").integer(r.tokens).key("grad_norm");
  r.step > 0 ? w.number(r.norm) : w.null();
  w.key("val_loss").number(r.val_loss.value_or(std::numeric_limits<double>::quiet_NaN()));
  if (r.skipped > 0) w.key("skipped").integer(r.skipped);
  if (timing) {
    w.key("tok_s").number(r.tokens_per_second);
    w.key("mem").integer(static_cast<std::int64_t>(r.memory));
  }
  return w.end_object().text() + "\n";
}

}  // namespace

TrainLog::TrainLog(const std::string& csv, bool timing) : out_(open_stdout()), timing_(timing) {
  if (csv.empty()) return;
  const bool begun = !in_the_way(csv).empty();  // by the run that this one goes on with
  csv_ = open_journal(csv);
  if (begun) return;
  csv_->write("step,loss,lr,tokens,grad_norm,val_loss\n");
}

void TrainLog::write(const TrainRecord& r) {
  if (csv_ != nullptr)
    csv_->write(fmt::format("{},{},{},{},{},{}\n", r.step, r.step > 0 ? fmt::to_string(r.loss) : "",
                            r.rate, r.tokens, r.step > 0 ? fmt::to_string(r.norm) : "",
                            r.val_loss ? fmt::to_string(*r.val_loss) : ""));
  if (out_ == nullptr) return;
  try {
    out_->write(line_of(r, index_++, timing_));
    out_->flush();
  } catch (const Error&) {  // nobody reads on
    out_.reset();
  }
}

void TrainLog::close() {
  if (csv_ != nullptr) csv_->close();
}

}  // namespace r1
