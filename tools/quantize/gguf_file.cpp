#include "tools/quantize/gguf_file.h"

#include <deque>
#include <filesystem>
#include <future>
#include <optional>

#include "lib/base/error.h"
#include "lib/base/output_lock.h"
#include "lib/base/paths.h"
#include "lib/base/sha256.h"
#include "lib/quant/budget.h"
#include "lib/quant/channel_scales.h"
#include "lib/quant/quantize_model.h"
#include "tools/common/models.h"
#include "tools/common/results.h"
#include "tools/common/signals.h"
#include "tools/quantize/calibration.h"
#include "tools/quantize/check.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

void remove_sums(const fs::path& path) {
  std::error_code none;
  fs::remove(sums_path(partial_of(path)), none);
}

// What a run left, and what it noted of that: first this, as another run may begin without that.
void remove_partial(const fs::path& path) {
  remove_sums(path);
  std::error_code none;
  fs::remove(partial_of(path), none);
}

TypeChoice choice_of(const QuantizeSettings& s) {
  TypeChoice c{.mix = &mix_named(s.type.empty() ? "q4_0" : s.type),  // replaced by fit_types
               .pure = s.pure || s.target_bpw > 0,
               .calibrated = !s.calibration.empty() || !s.imatrix.empty()};
  if (!s.output_type.empty()) c.head = parse_type(s.output_type, "--output-type");
  if (!s.embed_type.empty()) c.embedding = parse_type(s.embed_type, "--embed-type");
  for (const std::string& rule : s.tensor_types) {
    const auto [pattern, type] = split_rule(rule);
    c.rules.push_back({parse_pattern(pattern, "--tensor-type"), parse_type(type, "--tensor-type")});
  }
  for (const std::string& keep : s.keep) c.keep.push_back(parse_pattern(keep, "--keep"));
  return c;
}

class GgufMaker {
 public:
  GgufMaker(QuantizeReport& report, Messages& messages)
      : report_(report), s_(report.settings), messages_(messages) {}

  void make() {
    plan_ = plan_quantization(report_.files, choice_of(s_), s_.allow_requantize, data_folder());
    if (s_.cuts_shards) plan_.set_shard_size(static_cast<std::uint64_t>(s_.shard_size));
    const bool fitting_cuts = s_.cuts_shards && s_.target_bpw > 0;  // it decides how many shards
    if (!fitting_cuts) check_outputs();
    if (!s_.imatrix.empty()) {
      imatrix_ = read_imatrix(report_);
      imatrix_->check(plan_.sources());
      warn_of_unseen(messages_, *imatrix_, matrices_to_pack());
    }
    warn_of_types(messages_, s_, plan_);
    prepare();
    if (fitting_cuts) check_outputs();
    report_plan(report_, plan_);
    warn_of_size(messages_, report_);
    paths_ = plan_.paths(s_.output);
    report_.output = paths_[0].string();
    need_space_for_all();
    if (s_.dry_run) return;
    say_of_each(messages_, report_);
    write();
  }

 private:
  // Every file of the model is one of its own, and replaces only what may be replaced.
  void check_outputs() {
    const std::vector<std::string> inputs = inputs_of(s_, report_.files);
    std::error_code none;
    for (const fs::path& path : plan_.paths(s_.output)) {
      const fs::path partial = partial_of(path), sums = sums_path(partial);
      keep_inputs({path.string(), partial.string(), sums.string()}, inputs);
      keep_side_files_from({path, partial, sums}, s_);
      refuse_if(fs::is_directory(path, none), "-o ends in .gguf, and is a folder");
      if (!s_.dry_run) take(path);
      if (s_.force) continue;
      if (is_taken(path))
        fail(ErrorKind::usage, "{} exists; -f replaces it", escaped(path.string()));
      if (!s_.resume && is_taken(partial))
        fail(ErrorKind::usage, "{} exists; --resume goes on with it, -f begins anew",
             escaped(partial.string()));
    }
  }

  void take(const fs::path& path) {
    OutputLock& lock = locks_.emplace_back();
    lock.take_partial(path);  // of a run that is not done, before a word of what it left
    if (s_.resume && s_.cuts_shards) take_name_back(path, lock);
  }

  // A shard that had its name already when the run was killed, and the others had not.
  static void take_name_back(const fs::path& path, OutputLock& lock) {
    const fs::path partial = partial_of(path);
    const auto has_name = [&] { return is_taken(sums_path(partial)) && !is_taken(partial); };
    if (!has_name() || !lock.take(path)) return;
    std::error_code none;
    if (has_name())  // still: the run that gave it may have come to its end
      fs::rename(path, partial, none);
    else
      lock.release();
  }

  // What rounding goes by: importance, types of their own, scales of channels, error feedback.
  void prepare() {
    if (s_.dry_run && s_.target_bpw == 0) return;
    const bool search = s_.method != "rtn";
    if (s_.target_bpw > 0) {  // before the text is read
      if (!s_.allow_requantize) refuse_blocks(plan_);
      check_budget(plan_, s_.target_bpw);
    }
    ProgressLine line = messages_.progress_line();
    std::int64_t done = 0;
    const auto tick = [&] {
      stop_when_interrupted(before_writing(s_, plan_.paths(s_.output), imatrix_.has_value()));
      line.draw(++done, 0, "steps");
    };
    ThreadPool pool(static_cast<int>(s_.threads));
    std::optional<CalibrationModel> model;
    std::optional<Calibration> calibration;
    const bool feedback = s_.method == "gptq";
    const bool once = feedback && s_.target_bpw == 0 && !s_.awq;  // the text is read
    if (!s_.calibration.empty()) {
      model.emplace(report_);
      if (!model->too_few().empty()) messages_.warn(model->too_few());
      calibration.emplace(model->calibration(tick));
    }
    if (calibration && !once) {
      take_imatrix(collect_imatrix(*calibration), model->text());
      messages_.phase_done(model->describe());
    }
    if (s_.target_bpw > 0) {
      fit_types(plan_, *calibration, *imatrix_, s_.target_bpw, search, pool);
      messages_.phase_done("types chosen for --target-bpw");
    }
    if (s_.dry_run) return;
    if (s_.awq) {
      if (scale_channels(plan_, *imatrix_, search, pool, tick) == 0)
        messages_.warn("--awq changes nothing: no norm has scales that are better");
      messages_.phase_done("channels scaled");
    }
    if (!feedback) return;
    ImatrixSums sums;
    packed_ = pack_by_feedback(plan_, *calibration, pool, hessian_room(), once ? &sums : nullptr);
    if (once) take_imatrix(sums.imatrix(), model->text());
    messages_.phase_done(once ? model->describe() + " and packed with error feedback"
                              : "packed with error feedback");
  }

  void take_imatrix(Imatrix imatrix, const Imatrix::Text& text) {
    imatrix_ = std::move(imatrix);
    keep_imatrix(*imatrix_, text, s_);
  }

  std::vector<std::string> matrices_to_pack() const {
    std::vector<std::string> names;
    for (const PlannedTensor& t : plan_.tensors)
      if (t.packed_anew()) names.push_back(t.name());
    return names;
  }

  // What the bytes depend on beside the header: a run may go on with another's file only where all
  // of it is the same.
  std::string recipe() const {
    const std::string text =
        fmt::format("{}\n{}\n{}\n{}\n{}", build_info().version, report_.files.digest(), s_.method,
                    s_.awq, imatrix_ ? imatrix_->digest() : std::string());
    return sha256_hex(as_bytes(text)).substr(0, 16);
  }

  void need_space_for_all() const {
    std::uint64_t there = 0;
    for (const fs::path& path : paths_) {
      std::error_code unknown;
      const std::uint64_t size = fs::file_size(partial_of(path), unknown);
      if (!unknown) there += size;
    }
    need_space(s_.output, plan_.bytes, there);
  }

  // What was written stays for --resume when a signal ends the run; nothing stays after an error.
  void write() {
    plan_.set_recipe(recipe());
    ThreadPool pool(static_cast<int>(s_.threads));
    ProgressLine line = messages_.progress_line();
    const std::uint64_t all = plan_.bytes * (s_.no_verify ? 1 : 2);
    const std::string hint = resume_hint(paths_);
    const auto draw = [&](std::uint64_t bytes) {
      stop_when_interrupted(hint);
      line.draw(static_cast<std::int64_t>(bytes >> 20), static_cast<std::int64_t>(all >> 20),
                "MiB");
    };
    const QuantizeOptions options{.search = s_.method != "rtn",
                                  .imatrix = imatrix_ ? &*imatrix_ : nullptr,
                                  .packed = &packed_,
                                  .progress = draw};
    const std::vector<ResumePoint> there_already = begin(options);
    or_leave_nothing([&] { write_shards(there_already, options, pool); });
    refuse_newcomers();
    or_leave_nothing([&] { give_names(); });
    for (const fs::path& path : paths_) remove_sums(path);
  }

  // What is interrupted may be gone on with.
  template <typename Body>
  void or_leave_nothing(const Body& body) {
    try {
      body();
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::interrupted)
        for (const fs::path& path : paths_) remove_partial(path);
      throw;
    }
  }

  // Files that came to these names meanwhile: what was written stays beside them.
  void refuse_newcomers() const {
    for (const fs::path& path : paths_)
      if (!s_.force && is_taken(path))
        fail(ErrorKind::usage, "{} is there by now; --resume -f replaces it",
             escaped(path.string()));
  }

  // Digests are made while the disk takes the last of what was written.
  void give_names() {
    std::vector<MappedFile> files;
    for (const fs::path& path : paths_) files.emplace_back(partial_of(path));
    auto digests = std::async(std::launch::async, [&] {
      std::vector<std::string> digests_of_files;
      digests_of_files.reserve(files.size());
      for (const MappedFile& file : files) digests_of_files.push_back(sha256_hex(file));
      return digests_of_files;
    });
    for (const fs::path& path : paths_) open_journal(path)->close();
    const std::vector<std::string> sha256 = digests.get();
    for (std::size_t s = 0; s < paths_.size(); ++s)
      report_.products.push_back({paths_[s], plan_.shards[s].bytes, sha256[s]});
  }

  // What of each shard is there already: nothing without --resume.
  std::vector<ResumePoint> begin(const QuantizeOptions& options) {
    std::vector<ResumePoint> points(paths_.size());
    for (std::size_t s = 0; s < paths_.size(); ++s) {
      const fs::path partial = partial_of(paths_[s]);
      if (locks_[s].take_partial(paths_[s]) && !s_.resume) {
        remove_partial(paths_[s]);
        locks_[s].release();  // what was locked is no more
      }
      locks_[s].take_partial(paths_[s], OutputLock::Make::file);
      std::error_code none;
      if (!s_.resume || !is_taken(partial) || fs::is_empty(partial, none)) continue;
      auto point = resume_quantized(partial, report_.files, plan_, options, s);
      if (!point)
        fail(ErrorKind::usage,
             "{} was begun with other options or from another model; -f alone begins anew",
             escaped(partial.string()));
      points[s] = std::move(*point);
    }
    if (s_.resume) say_what_is_kept(messages_, points, plan_.tensors.size());
    return points;
  }

  // All shards, each as it will be but for its name.
  void write_shards(const std::vector<ResumePoint>& there, const QuantizeOptions& options,
                    ThreadPool& pool) {
    std::vector<SumJournal> journals;
    for (std::size_t s = 0; s < paths_.size(); ++s) {
      journals.emplace_back(sums_path(partial_of(paths_[s])), there[s].kept);
      const auto out = open_journal(paths_[s]);
      write_quantized(*out, report_.files, plan_, options, pool, journals[s], s);
    }
    messages_.phase_done("written");
    if (s_.no_verify) return;
    for (std::size_t s = 0; s < paths_.size(); ++s) {
      const auto errors = verify_quantized(
          partial_of(paths_[s]), report_.files, plan_, journals[s].sums(), pool,
          [&](std::uint64_t checked) { options.progress(plan_.bytes + checked); }, s);
      report_.errors.insert(report_.errors.end(), errors.begin(), errors.end());
    }
    messages_.phase_done("read again and compared");
  }

  QuantizeReport& report_;
  const QuantizeSettings& s_;
  Messages& messages_;
  QuantizePlan plan_;
  std::vector<fs::path> paths_;
  std::deque<OutputLock> locks_;  // one each
  std::optional<Imatrix> imatrix_;
  PackedTensors packed_;
};

}  // namespace

void make_gguf(QuantizeReport& report, Messages& messages) { GgufMaker(report, messages).make(); }

}  // namespace r1
