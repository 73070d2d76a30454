#include "tools/finetune/records.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/write_file.h"
#include "tools/common/failures.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr const char *kFile = "records.jsonl", *kSchema = "r1.train/1";
constexpr std::size_t kMostBytes = std::size_t{8} << 30;

double or_nan(std::optional<double> value) {
  return value.value_or(std::numeric_limits<double>::quiet_NaN());
}

std::string line_of(const TrainRecord& r, std::int64_t index, bool timing) {
  JsonWriter w;
  w.begin_object().key("schema").string(kSchema).key("index").integer(index);
  w.key("id").string(fmt::format("step-{}", r.step)).key("step").integer(r.step);
  w.key("loss").number(or_nan(r.loss)).key("lr").number(r.rate).key("tokens").integer(r.tokens);
  w.key("grad_norm").number(or_nan(r.norm)).key("val_loss").number(or_nan(r.val_loss));
  if (r.skipped > 0) w.key("skipped").integer(r.skipped);
  if (r.loss_scale) w.key("loss_scale").number(*r.loss_scale);
  if (r.fp8_share) w.key("fp8_share").number(*r.fp8_share);
  if (!r.samples.empty()) {
    w.key("samples").begin_array();
    for (const std::string& text : r.samples) w.string(text);
    w.end_array();
  }
  if (timing) {
    w.key("tok_s").number(r.tokens_per_second);
    if (r.share_of_peak) w.key("share_of_peak").number(*r.share_of_peak);
    w.key("mem").integer(static_cast<std::int64_t>(r.memory));
  }
  return w.end_object().text() + "\n";
}

TrainRecord record_in(std::string_view line) {
  const Json json = parse_json(line, kFile);
  const auto number = [&](const char* key) -> std::optional<double> {
    const Json& value = json.at(key, kFile);
    return value.is_null() ? std::nullopt : std::optional(value.number(kFile));
  };
  const auto number_if_there = [&](const char* key) -> std::optional<double> {
    const Json* value = json.find(key);
    return value == nullptr ? std::nullopt : std::optional(value->number(kFile));
  };
  const Json* skipped = json.find("skipped");
  std::vector<std::string> samples;
  if (const Json* texts = json.find("samples"))
    for (const Json& text : texts->array(kFile)) samples.push_back(text.string(kFile));
  return {.step = json.at("step", kFile).integer(kFile),
          .loss = number("loss"),
          .rate = json.at("lr", kFile).number(kFile),
          .norm = number("grad_norm"),
          .tokens = json.at("tokens", kFile).integer(kFile),
          .skipped = skipped == nullptr ? 0 : skipped->integer(kFile),
          .loss_scale = number_if_there("loss_scale"),
          .fp8_share = number_if_there("fp8_share"),
          .val_loss = number("val_loss"),
          .samples = std::move(samples)};
}

std::string row_of(const TrainRecord& r) {
  const auto cell = [](std::optional<double> value) {
    return value && std::isfinite(*value) ? fmt::to_string(*value) : std::string();
  };
  return fmt::format("{},{},{},{},{},{}\n", r.step, cell(r.loss), r.rate, r.tokens, cell(r.norm),
                     cell(r.val_loss));
}

std::string table_of(const std::vector<TrainRecord>& records) {
  std::string table = "step,loss,lr,tokens,grad_norm,val_loss\n";
  for (const TrainRecord& r : records) table += row_of(r);
  return table;
}

fs::path partial(const fs::path& path) { return path.string() + ".partial"; }

// A journal that begins with this text, whatever an earlier run left.
std::unique_ptr<Output> begin_journal(const fs::path& path, const std::string& text) {
  write_file(partial(path), text);
  return open_journal(path);
}

std::vector<TrainRecord> written_records(const fs::path& path) {
  std::error_code none;
  return read_records(fs::exists(partial(path), none) ? partial(path) : path);
}

std::vector<TrainRecord> kept_records(const fs::path& path, std::int64_t done) {
  std::vector<TrainRecord> kept = written_records(path);
  std::erase_if(kept, [&](const TrainRecord& r) { return r.step > done; });
  return kept;
}

}  // namespace

std::string failure_json(const Error& error) {
  JsonWriter w;
  w.begin_object().key("schema").string(kSchema).key("index").null().key("id").null();
  write_error(w.key("status").string("error").key("error"), error);
  return w.end_object().text() + "\n";
}

std::vector<TrainRecord> read_records(const fs::path& path) {
  std::vector<TrainRecord> records;
  try {
    const std::string text = read_file(path, kMostBytes);
    std::size_t at = 0;
    for (std::size_t end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
      records.push_back(record_in(std::string_view(text).substr(at, end - at)));
  } catch (const Error&) {
  }
  return records;
}

void write_table_of_run(const FinetuneSettings& s) {
  if (!s.log_csv.empty()) write_file(s.log_csv, table_of(read_records(fs::path(s.output) / kFile)));
}

TrainLog::TrainLog(const FinetuneSettings& s, std::optional<std::int64_t> done)
    : path_(fs::path(s.output) / kFile), out_(open_stdout()), timing_(s.timing) {
  std::vector<TrainRecord> kept;
  if (done) kept = kept_records(path_, *done);
  std::string lines;
  for (const TrainRecord& r : kept) lines += line_of(r, journal_index_++, false);
  journal_ = begin_journal(path_, lines);
  if (!s.log_csv.empty()) csv_ = begin_journal(s.log_csv, table_of(kept));
  if (!s.tensorboard.empty()) events_.emplace(s.tensorboard, done);
}

void TrainLog::write(const TrainRecord& r) {
  journal_->write(line_of(r, journal_index_++, false));
  if (csv_ != nullptr) csv_->write(row_of(r));
  if (events_) events_->write(r);
  if (out_ == nullptr) return;
  try {
    out_->write(line_of(r, index_++, timing_));
    out_->flush();
  } catch (const Error& e) {  // the training goes on
    if (!is_broken_pipe(e)) lost_ = e.what();
    out_.reset();
  }
}

std::vector<TrainRecord> TrainLog::so_far() const { return written_records(path_); }

std::vector<TrainRecord> TrainLog::close() {
  if (csv_ != nullptr) csv_->close();
  if (events_) events_->close();
  journal_->close();
  return read_records(path_);
}

}  // namespace r1
