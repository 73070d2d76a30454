// r1-finetune: teaches a model.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <limits>
#include <optional>

#include "lib/base/error.h"
#include "lib/base/sha256.h"
#include "lib/train/checkpoint.h"
#include "tools/common/models.h"
#include "tools/common/progress.h"
#include "tools/common/results.h"
#include "tools/common/signals.h"
#include "tools/finetune/export.h"
#include "tools/finetune/pupil.h"
#include "tools/finetune/records.h"
#include "tools/finetune/run_file.h"
#include "tools/manual.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kTool = "r1-finetune";
constexpr const char* kShippedModel = "r1-plus-mini";
constexpr std::int64_t kMostValidated = 64;  // packs
constexpr std::int64_t kVerified = 8;        // packs
constexpr double kLeftForTheEnd = 0.1;       // of a time budget

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// All data of a run, in tokens and in packs.
struct Lessons {
  Lessons(const FinetuneSettings& s, const TextForms& forms)
      : data(read(s.data, s, forms)),
        val(s.val.empty() ? Dataset{} : read(s.val, s, forms)),
        packs(data.samples, s.max_seq_length, !s.no_packing, static_cast<std::uint64_t>(s.seed)),
        val_packs(val.samples, s.max_seq_length, !s.no_packing, 0) {}

  // The first packs of the data that is not learnt, or of what is.
  std::vector<Pack> some(std::int64_t count) const {
    const Packer& from = val.samples.empty() ? packs : val_packs;
    std::vector<Pack> some;
    for (std::int64_t n = 0; n < std::min(count, from.first_of_epoch(1)); ++n)
      some.push_back(from.pack(n));
    return some;
  }

  Dataset data, val;
  Packer packs, val_packs;

 private:
  static Dataset read(const std::vector<std::string>& names, const FinetuneSettings& s,
                      const TextForms& forms) {
    return read_dataset({names.begin(), names.end()}, forms,
                        {.max_length = s.max_seq_length,
                         .too_long = s.too_long == "cut" ? TooLong::cut : TooLong::drop,
                         .mask_prompt = !s.no_mask_prompt,
                         .fim_rate = s.fim_rate,
                         .seed = static_cast<std::uint64_t>(s.seed)});
  }
};

class Finetuner {
 public:
  int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // the product is files
    Program program = finetune_program(s_, standard_);
    return run_program(program, standard_, kManual, argc, argv,
                       [&](const Ui& ui) { return run(ui); });
  }

 private:
  int run(const Ui& ui) {
    check();
    if (s_.model.empty()) s_.model = kShippedModel;
    const ModelFiles files = ModelFiles::open(find_model(s_.model, model_places(s_.model_path)));
    check_export(s_, files);
    const TextOfModel text(files, data_folder());
    const Lessons lessons(s_, text.forms());
    plan(lessons);
    ui.say(kTool, described(lessons), 1);
    if (s_.dry_run) return rehearse(files, text, lessons);
    const RunFile run_file(s_, files);
    if (!output_is_wanted(run_file)) {
      ui.say(kTool, fmt::format("{} is finished already", escaped(s_.output)), 1);
      return 0;
    }
    Pupil pupil(s_, files, text);
    begin_output(run_file);
    teach(pupil, lessons, run_file, ui);
    const double found = export_trained(s_, pupil, text, lessons.some(kVerified));
    if (!s_.no_verify)
      ui.say(kTool, fmt::format("read again it differs by {:.2g} nats a token", found), 1);
    run_file.write();
    return 0;
  }

  void check() const {
    refuse_if(!s_.operands.empty(), "-m names the model, and --data what it learns");
    refuse_if(s_.data.empty(), "--data names what is learnt");
    refuse_if(s_.output.empty() && !s_.dry_run, "-o names the folder that is written");
    refuse_if(s_.method == "lora" && s_.optimizer == "muon",
              "--optimizer muon is of --fine-tune-type full");
    refuse_if(s_.method == "full" && (!s_.modules.empty() || s_.rslora),
              "--target-modules and --rslora are of --fine-tune-type lora");
    refuse_if(s_.early_stop > 0 && s_.val.empty(), "--early-stop wants --val");
    refuse_if(s_.resume && s_.force, "--resume goes on with what -f would replace");
    refuse_if(s_.epochs > 0 && s_.time_budget > 0, "--time-budget chooses steps, as --epochs does");
    for (const std::vector<std::string>* list : {&s_.data, &s_.val}) {
      keep_inputs({s_.output, s_.log_csv}, *list);
      for (const std::string& name : *list)
        if (is_device(name))
          fail(ErrorKind::usage, "{} is read more than once, and wants to be a file",
               escaped(name));
    }
  }

  // Steps in all, where not --iters says them.
  void plan(const Lessons& lessons) {
    if (s_.epochs == 0) return;
    const auto packs = static_cast<double>(lessons.packs.first_of_epoch(1));
    s_.iters = std::max<std::int64_t>(
        1, std::llround(std::ceil(s_.epochs * packs / static_cast<double>(s_.batch))));
  }

  std::string described(const Lessons& l) const {
    std::string left_out;
    if (l.data.too_long > 0) left_out += fmt::format(", {} too long", l.data.too_long);
    if (l.data.nothing_trained > 0)
      left_out += fmt::format(", {} with nothing to learn", l.data.nothing_trained);
    return fmt::format("{} samples of {} tokens, {} of them learnt, in {} sequences{}",
                       l.data.samples.size(), l.data.tokens, l.data.trained,
                       l.packs.first_of_epoch(1), left_out);
  }

  int rehearse(const ModelFiles& files, const TextOfModel& text, const Lessons& lessons) const {
    std::uint64_t weights = 0;
    for (const NamedTensor& t : files.tensors())
      weights += static_cast<std::uint64_t>(t.tensor.shape.elements());
    const bool full = s_.method == "full";
    const std::uint64_t bytes = full ? weights * 20 : files.total_bytes();
    const auto out = open_stdout();
    out->write(
        fmt::format("{}\n{} steps of {} sequences, up to {} tokens each\n"
                    "{:.0f} MiB for {}, and what a sequence of {} tokens takes on its way\n\n{}\n",
                    described(lessons), s_.iters, s_.batch, s_.max_seq_length,
                    static_cast<double>(bytes) / (1 << 20),
                    full ? "weights, gradients and moments" : "the model, which stays as it is",
                    s_.max_seq_length, render_sample(lessons.data.samples[0], text.tokenizer())));
    out->close();
    return 0;
  }

  // False: there is nothing left to do. Fails with `usage` for what would be replaced.
  bool output_is_wanted(const RunFile& run_file) const {
    std::error_code error;
    const bool there = fs::exists(s_.output, error) && !fs::is_empty(s_.output, error);
    if (there && !fs::is_directory(s_.output, error))
      fail(ErrorKind::usage, "{} is no folder", escaped(s_.output));
    if (there && !s_.resume && !s_.force)
      fail(ErrorKind::usage, "{} is not empty; --resume goes on with it, -f begins anew",
           escaped(s_.output));
    if (!s_.log_csv.empty() && !s_.force && !s_.resume && !in_the_way(s_.log_csv).empty())
      fail(ErrorKind::usage, "{} exists; -f replaces it", escaped(in_the_way(s_.log_csv)));
    return !(s_.resume && run_file.says_finished());
  }

  void begin_output(const RunFile& run_file) const {
    std::error_code error;
    fs::create_directories(s_.output, error);
    if (error) fail(ErrorKind::write, "{}: {}", escaped(s_.output), error.message());
    if (!s_.force) return;
    for (const char* ending : {"", ".partial"})
      if (!s_.log_csv.empty()) fs::remove(s_.log_csv + ending, error);
    run_file.remove();
    checkpoints(run_file).remove_all();
    best(run_file).remove_all();
  }

  Checkpoints checkpoints(const RunFile& run_file) const {
    return {s_.output, run_file.recipe(), s_.keep_last};
  }
  Checkpoints best(const RunFile& run_file) const {
    return {fs::path(s_.output) / "best", run_file.recipe(), 1};
  }

  TrainOptions options() const {
    const Schedule schedule = s_.schedule == "cosine"     ? Schedule::cosine
                              : s_.schedule == "linear"   ? Schedule::linear
                              : s_.schedule == "constant" ? Schedule::constant
                                                          : Schedule::wsd;
    return {
        .batch = s_.batch,
        .clip = s_.clip,
        .schedule = {.schedule = schedule,
                     .warmup = s_.warmup,
                     .least = s_.min_rate,
                     .decay_share = s_.decay_share,
                     .steps = s_.iters},
        .optimizer = {.kind = s_.optimizer == "muon" ? OptimizerKind::muon : OptimizerKind::adamw,
                      .rate = s_.rate,
                      .muon_rate = s_.muon_rate,
                      .weight_decay = s_.weight_decay}};
  }

  // What a run that is broken off goes on with, beside weights and moments.
  struct Course {
    double loss = 0, steps = 0, tokens = 0, skipped = 0;  // since the last report; since step 1
    double best = std::numeric_limits<double>::max(), worse = 0;  // of --val
    double planned = 0;                                           // by --time-budget

    std::map<std::string, double> numbers() const {
      return {{"loss", loss}, {"steps", steps}, {"tokens", tokens},  {"skipped", skipped},
              {"best", best}, {"worse", worse}, {"planned", planned}};
    }
    void read(const std::map<std::string, double>& n) {
      loss = n.at("loss"), steps = n.at("steps"), tokens = n.at("tokens");
      skipped = n.at("skipped"), best = n.at("best"), worse = n.at("worse");
      planned = n.at("planned");
    }
  };

  void teach(Pupil& pupil, const Lessons& lessons, const RunFile& run_file, const Ui& ui) {
    Trainer trainer(pupil.backend(), pupil.learner(), lessons.packs, options());
    const Checkpoints saved = checkpoints(run_file), best_saved = best(run_file);
    const std::vector<NamedTensor> state = trainer.state();
    Course course;
    if (s_.resume) {
      std::vector<std::string> damaged;
      const auto progress = saved.load(pupil.backend(), state, damaged);
      for (const std::string& name : damaged)
        ui.say(kTool, fmt::format("{} is damaged, and passed over", escaped(name)), 0);
      if (progress) {
        trainer.go_on(progress->step);
        course.read(progress->numbers);
        ui.say(kTool, fmt::format("goes on after step {}", progress->step), 1);
      }
    }
    if (course.planned > 0) set_steps(trainer, static_cast<std::int64_t>(course.planned));
    ui.say(kTool, fmt::format("{} of {} weights are learnt", pupil.learnt(), all(pupil)), 1);
    TrainLog log(s_.log_csv, s_.timing);
    if (trainer.done() == 0 && !s_.val.empty()) log.write({.val_loss = validate(trainer, lessons)});
    const auto save = [&] {
      saved.save(pupil.backend(), {trainer.done(), course.numbers()}, state);
    };
    ProgressLine line(ui.progress);
    Clock::time_point since = Clock::now();
    double tokens_then = course.tokens;
    bool stopped = s_.early_stop > 0 && course.worse >= static_cast<double>(s_.early_stop);
    while (trainer.done() < s_.iters && !stopped) {
      const TrainStep step = trainer.step();
      course.loss += step.skipped ? 0 : step.loss;
      course.steps += step.skipped ? 0 : 1;
      course.skipped += step.skipped ? 1 : 0;
      course.tokens += static_cast<double>(step.tokens);
      line.draw(step.step, s_.iters);
      if (s_.time_budget > 0) keep_to_budget(trainer, course);
      const bool last = step.step == s_.iters;
      std::optional<double> val;
      if (!s_.val.empty() && (last || step.step % s_.steps_per_eval == 0)) {
        val = validate(trainer, lessons);
        if (*val < course.best) {
          course.best = *val;
          course.worse = 0;
          if (s_.early_stop > 0)
            best_saved.save(pupil.backend(), {trainer.done(), course.numbers()}, state);
        } else {
          stopped = ++course.worse == static_cast<double>(s_.early_stop);
        }
      }
      if (last || stopped || val || step.step % s_.steps_per_report == 0) {
        line.clear();
        const double seconds = seconds_since(since);
        log.write({.step = step.step,
                   .loss = course.loss / std::max(1.0, course.steps),
                   .rate = step.rate,
                   .norm = step.norm,
                   .tokens = static_cast<std::int64_t>(course.tokens),
                   .skipped = static_cast<std::int64_t>(course.skipped),
                   .val_loss = val,
                   .tokens_per_second = (course.tokens - tokens_then) / seconds,
                   .memory = static_cast<double>(trainer.peak_bytes())});
        course.loss = course.steps = 0;
        since = Clock::now();
        tokens_then = course.tokens;
      }
      if (caught_signal() != 0) {
        save();
        stop_when_interrupted(fmt::format("; --resume goes on after step {}", step.step));
      }
      if (last || stopped || step.step % s_.save_every == 0) save();
    }
    log.close();
    if (s_.early_stop > 0) {
      std::vector<std::string> damaged;
      best_saved.load(pupil.backend(), state, damaged);
    }
  }

  double validate(Trainer& trainer, const Lessons& lessons) const {
    return trainer.evaluate(lessons.val_packs,
                            std::min(kMostValidated, lessons.val_packs.first_of_epoch(1)));
  }

  void set_steps(Trainer& trainer, std::int64_t steps) {
    s_.iters = steps;
    trainer.plan_steps(steps);
  }

  // After the first steps it is known how many there is time for; when the time is over before
  // that, it is over.
  void keep_to_budget(Trainer& trainer, Course& course) {
    constexpr std::int64_t kMeasured = 3;
    const double budget = static_cast<double>(s_.time_budget) / 1e3 * (1 - kLeftForTheEnd);
    const double spent = seconds_since(start_);
    if (course.planned == 0 && trainer.done() == 1) measured_ = Clock::now();
    if (course.planned == 0 && trainer.done() == 1 + kMeasured) {
      const double step = seconds_since(measured_) / static_cast<double>(kMeasured);
      course.planned = std::max<double>(static_cast<double>(trainer.done()) + 1,
                                        std::floor((budget - spent) / step));
      set_steps(trainer, static_cast<std::int64_t>(course.planned));
    }
    if (spent <= budget) return;
    course.planned = static_cast<double>(trainer.done());
    set_steps(trainer, trainer.done());
  }

  static std::int64_t all(const Pupil& pupil) {
    std::int64_t numbers = 0;
    for (const auto& [name, weight] : pupil.trained().params.taken())
      numbers += weight.value.shape.elements();
    return numbers;
  }

  FinetuneSettings s_;
  StandardOptions standard_;
  Clock::time_point start_ = Clock::now(), measured_;
};

}  // namespace
}  // namespace r1

int main(int argc, char** argv) { return r1::Finetuner().main(argc, argv); }
