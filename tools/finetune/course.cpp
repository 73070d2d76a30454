#include "tools/finetune/course.h"

#include <algorithm>
#include <cmath>

#include "lib/base/error.h"
#include "lib/base/write_file.h"
#include "tools/common/signals.h"
#include "tools/finetune/curve.h"
#include "tools/finetune/export.h"

namespace r1 {
namespace {

constexpr const char* kTool = "r1-finetune";
constexpr std::int64_t kTokensAtOnce = 1024;
constexpr double kLeftForTheEnd = 0.1;   // of a time budget, or more
constexpr std::int64_t kGuessed = 1000;  // steps, before there is anything to go by

double seconds_since(Course::Clock::time_point start) {
  return std::chrono::duration<double>(Course::Clock::now() - start).count();
}

Schedule schedule_named(const std::string& name) {
  if (name == "linear") return Schedule::linear;
  if (name == "constant") return Schedule::constant;
  return name == "wsd" ? Schedule::wsd : Schedule::cosine;
}

// Matrices are large enough then.
std::int64_t packs_at_once(const FinetuneSettings& s) {
  const std::int64_t packs = s.micro_batch > 0 ? s.micro_batch : kTokensAtOnce / s.max_seq_length;
  return std::clamp<std::int64_t>(packs, 1, s.batch);
}

}  // namespace

TrainOptions train_options(const FinetuneSettings& s) {
  const bool exact = s.product_type() == DType::f32;
  return {.batch = s.batch,
          .at_once = packs_at_once(s),
          .recompute = s.recompute,
          .precision = s.product_type(),
          .clip = s.clip,
          .schedule = {.schedule = schedule_named(s.schedule),
                       .warmup = s.warmup,
                       .least = s.min_rate,
                       .decay_share = s.decay_share,
                       .steps = s.iters},
          .optimizer = {.kind = s.optimizer == "muon" ? OptimizerKind::muon : OptimizerKind::adamw,
                        .rate = s.rate,
                        .muon_rate = s.muon_rate,
                        .weight_decay = s.weight_decay,
                        .products = exact ? DType::f32 : DType::bf16,
                        .moments = s.moment_type(),
                        .seed = static_cast<std::uint64_t>(s.seed)},
          .beta = s.beta,
          .dropout = {.share = static_cast<float>(s.dropout),
                      .seed = static_cast<std::uint64_t>(s.seed)}};
}

Checkpoints checkpoints_of(const FinetuneSettings& s, const Recipe& recipe) {
  return {s.output, recipe, s.keep_last};
}

Checkpoints earlier_checkpoints(const FinetuneSettings& s, const Recipe& recipe) {
  const std::string data = s.allow_data_change ? "" : recipe.data;
  return {s.resume_from, {recipe.model, data, ""}, 0};
}

Checkpoints best_of(const FinetuneSettings& s, const Recipe& recipe) {
  return {std::filesystem::path(s.output) / "best", recipe, 1};
}

Course::Course(const FinetuneSettings& settings, Pupil& pupil, const Lessons& lessons,
               const SamplePrompts& prompts, const Recipe& recipe, const Ui& ui,
               Clock::time_point begun, const Known& known)
    : s_(settings),
      pupil_(pupil),
      lessons_(lessons),
      prompts_(prompts),
      ui_(ui),
      trainer_(pupil.backend(), pupil.learner(), lessons.packs(), train_options(settings)),
      saved_(checkpoints_of(settings, recipe)),
      best_(best_of(settings, recipe)),
      tensors_(trainer_.state()),
      line_(ui, kTool),
      steps_(settings.iters),
      begun_(begun),
      known_(known) {}

std::map<std::string, double> Course::numbers_of(const State& s) {
  const TrainStep due = s.due.value_or(TrainStep());
  return {{"loss", s.loss},
          {"steps", s.steps},
          {"tokens", s.tokens},
          {"begun", s.begun},
          {"skipped", static_cast<double>(s.trained.skipped)},
          {"skipped_in_a_row", static_cast<double>(s.trained.skipped_in_a_row)},
          {"packs", static_cast<double>(s.trained.packs)},
          {"untaught", s.untaught},
          {"best", s.best},
          {"worse", s.worse},
          {"planned", s.planned},
          {"spent", s.spent},
          {"loss_scale", s.trained.scale.value},
          {"good", static_cast<double>(s.trained.scale.good)},
          {"due", static_cast<double>(due.step)},
          {"due_rate", due.rate},
          {"due_norm", due.norm},
          {"due_scale", due.loss_scale}};
}

Course::State Course::state_of(const Checkpoints::Progress& progress) {
  const auto n = [&](const char* name) {
    const auto found = progress.numbers.find(name);
    if (found == progress.numbers.end())
      fail(ErrorKind::usage,
           "the checkpoint says no \"{}\": another version of {} wrote it; -f begins anew", name,
           kTool);
    return found->second;
  };
  const auto from = [&](double least, const char* name) {
    constexpr double kMost = 1e15;  // of what is counted
    const double number = n(name);
    if (!(number >= least && number <= kMost))
      fail(ErrorKind::usage, "the checkpoint says {} as \"{}\"; -f begins anew", number, name);
    return number;
  };
  const auto count = [&](const char* name) { return from(0, name); };
  const auto whole = [&](const char* name) { return static_cast<std::int64_t>(count(name)); };
  return {.loss = n("loss"),
          .steps = count("steps"),
          .tokens = count("tokens"),
          .begun = count("begun"),
          .untaught = n("untaught"),
          .best = n("best"),
          .worse = count("worse"),
          .planned = count("planned"),
          .spent = count("spent"),
          .trained = {.steps = progress.step,
                      .skipped = whole("skipped"),
                      .skipped_in_a_row = whole("skipped_in_a_row"),
                      .packs = whole("packs"),
                      .scale = {from(1e-30, "loss_scale"), whole("good")}},
          .due = count("due") > 0 ? std::optional(TrainStep{.step = whole("due"),
                                                            .rate = n("due_rate"),
                                                            .norm = n("due_norm"),
                                                            .loss_scale = n("due_scale")})
                                  : std::nullopt};
}

void Course::run() {
  const std::optional<std::int64_t> done = s_.resume ? go_on() : std::nullopt;
  if (!done && !s_.resume_from.empty()) begin_behind();
  if (s_.time_budget > 0)
    plan(state_.planned > 0 ? static_cast<std::int64_t>(state_.planned)
                            : trainer_.done() + guessed_steps());
  log_.emplace(s_, done);
  try {
    teach();
  } catch (...) {  // nothing that is drawn may hide why it ends
    try {
      draw(log_->so_far());
    } catch (const Error&) {
    }
    throw;
  }
  draw(log_->close());
  if (s_.measures()) say_if_unhelpful();
  if (s_.early_stop > 0 && best_.any()) take_best();
}

// Before any step is measured.
std::int64_t Course::guessed_steps() const {
  if (!(known_.step_seconds > 0)) return kGuessed;
  const double left = static_cast<double>(s_.time_budget) / 1e3 - spent() - seconds_of_end();
  return std::max<std::int64_t>(1, std::llround(left / known_.step_seconds));
}

void Course::take_best() {
  std::vector<std::string> damaged;
  const auto best = best_.load(pupil_.backend(), tensors_, damaged);
  if (!best)
    fail(ErrorKind::model, "{} is damaged; without it --resume exports the last step",
         escaped(damaged.front()));
  if (trainer_.done() < steps_)
    ui_.say(kTool,
            fmt::format("stops after step {}: the measured loss was least after step {}, whose "
                        "weights are written",
                        trainer_.done(), best->step),
            0);
}

void Course::teach() {
  if (before_first() && looks()) report({.step = trainer_.done()}, look());
  start_ = {Clock::now(), trainer_.done(), state_.tokens};
  if (state_.due) end(TrainStep(*state_.due));
  while (!over()) {
    const Clock::time_point before = Clock::now();
    const TrainStep step = trainer_.step();
    taught_ += seconds_since(before);
    count(step);
    if (s_.time_budget > 0) keep_to_budget();
    end(step);
    line_.draw([&] { return progress(step); });
  }
  line_.clear();
}

void Course::end(const TrainStep& step) {
  const bool last = trainer_.done() >= steps_;
  const bool looking = looks() && (last || step.step % s_.steps_per_eval == 0);
  const std::string goes_on = fmt::format("; --resume goes on after step {}", step.step);
  if (last || looking || step.step % s_.steps_per_report == 0) {
    const State before = state_;
    try {
      report(step, looking ? look() : Look());
    } catch (const Error&) {  // neither a signal nor a log that cannot be written costs a step
      state_ = before;
      state_.due = step;
      save(saved_);
      stop_when_interrupted(goes_on);
      throw;
    }
  }
  const bool stopped = caught_signal() != 0;
  if (over() || stopped || step.step % s_.save_every == 0) save(saved_);
  if (stopped) stop_when_interrupted(goes_on);
}

void Course::draw(const std::vector<TrainRecord>& records) const {
  if (!records.empty())
    write_file(std::filesystem::path(s_.output) / "loss.svg",
               loss_svg(records, s_.dpo() ? "pair" : "token"));
}

bool Course::over() const {
  return trainer_.done() >= steps_ ||
         (s_.early_stop > 0 && state_.worse >= static_cast<double>(s_.early_stop));
}

std::optional<std::int64_t> Course::go_on() {
  Checkpoints own = saved_;
  if (s_.allow_data_change) own.recipe.data.clear();
  const std::optional<State> was = loaded(own);
  if (!was) return std::nullopt;
  state_ = *was;
  tokens_reported_ = state_.tokens;
  const std::int64_t done = trainer_.done();
  ui_.say(kTool, fmt::format("goes on after step {}", done), 1);
  return state_.due || before_first() ? done - 1 : done;
}

void Course::begin_behind() {
  const std::optional<State> was = loaded(earlier_checkpoints(s_, saved_.recipe));
  if (!was)
    fail(ErrorKind::usage, "{}: no checkpoint is whole and of the weights and moments of this run",
         escaped(s_.resume_from));
  state_ = {.tokens = was->tokens,
            .begun = static_cast<double>(was->trained.steps),
            .untaught = std::numeric_limits<double>::max(),
            .trained = was->trained};
  tokens_reported_ = state_.tokens;
  ui_.say(kTool,
          fmt::format("begins after step {} of {}", trainer_.done(), escaped(s_.resume_from)), 1);
  save(saved_);  // what it goes on with then
}

std::optional<Course::State> Course::loaded(const Checkpoints& from) {
  std::vector<std::string> damaged;
  const auto progress = from.load(pupil_.backend(), tensors_, damaged);
  for (const std::string& name : damaged)
    ui_.say(kTool, fmt::format("{} is damaged, and passed over", escaped(name)), 0);
  if (!progress) return std::nullopt;
  State was = state_of(*progress);
  trainer_.go_on(was.trained);
  return was;
}

void Course::count(const TrainStep& step) {
  state_.trained = trainer_.progress();
  if (step.skipped) return;
  state_.tokens += static_cast<double>(step.tokens);
  state_.loss += step.loss;
  ++state_.steps;
}

Course::Look Course::look() {
  const Clock::time_point before = Clock::now();
  Look found;
  if (s_.measures()) found.val_loss = validate();
  found.samples = prompts_.completed(pupil_);
  look_seconds_ = seconds_since(before);
  return found;
}

double Course::validate() {
  const double loss = trainer_.evaluate(lessons_.val_packs(), lessons_.val_measured(),
                                        [] { stop_when_interrupted(); });
  if (before_first()) return state_.untaught = loss;
  if (loss < state_.best) {
    state_.best = loss;
    state_.worse = 0;
    if (s_.early_stop > 0) save(best_);
  } else {
    ++state_.worse;
  }
  return loss;
}

void Course::say_if_unhelpful() const {
  if (state_.best >= state_.untaught)
    ui_.say(kTool,
            fmt::format("the measured loss was {:.4g} before the first step, and never less after",
                        state_.untaught),
            0);
}

// For a person who watches; the record has them whole.
void Course::show(const std::vector<std::string>& samples) const {
  if (!ui_.stderr_tty) return;
  for (std::size_t i = 0; i < samples.size(); ++i)
    ui_.say(kTool,
            fmt::format("step {}: {} ... {}", trainer_.done(), escaped(s_.sample_prompts[i]),
                        escaped(samples[i])),
            0);
}

void Course::report(const TrainStep& step, const Look& found) {
  line_.clear();
  const double seconds = taught_ - taught_reported_;
  const double rate = seconds > 0 ? (state_.tokens - tokens_reported_) / seconds : 0;
  const bool learnt = state_.steps > 0, first = before_first();
  log_->write({.step = step.step,
               .loss = learnt ? std::optional(state_.loss / state_.steps) : std::nullopt,
               .rate = step.rate,
               .norm = first ? std::nullopt : std::optional(step.norm),
               .tokens = static_cast<std::int64_t>(state_.tokens),
               .skipped = state_.trained.skipped,
               .loss_scale =
                   s_.precision == "fp16" && !first ? std::optional(step.loss_scale) : std::nullopt,
               .fp8_share = s_.precision == "fp8" ? std::optional(known_.fp8_share) : std::nullopt,
               .val_loss = found.val_loss,
               .samples = found.samples,
               .tokens_per_second = rate,
               .share_of_peak = known_.tokens_at_peak > 0
                                    ? std::optional(rate / known_.tokens_at_peak)
                                    : std::nullopt,
               .memory = static_cast<double>(trainer_.peak_bytes())});
  show(found.samples);
  state_.loss = state_.steps = 0;
  state_.due.reset();
  taught_reported_ = taught_;
  tokens_reported_ = state_.tokens;
}

void Course::plan(std::int64_t steps) {
  steps_ = s_.counts_steps() ? std::min(steps, s_.iters) : steps;
  trainer_.plan_steps(steps_);
}

// "step 12 of 1000, loss 2.314, 5120 tokens/s, 41 % of peak, 12 min left"; before the budget is
// planned it is not known of how many.
std::string Course::progress(const TrainStep& step) const {
  const bool planned = s_.time_budget == 0 || state_.planned > 0;
  const double seconds = seconds_since(start_.time);
  const double each = seconds / static_cast<double>(step.step - start_.steps);
  const std::int64_t left = steps_ - step.step;
  std::string line = fmt::format("step {}", step.step);
  if (planned) line += fmt::format(" of {}", steps_);
  const double rate = (state_.tokens - start_.tokens) / taught_;
  line += fmt::format(", loss {:.3f}, {:.0f} tokens/s", step.loss, rate);
  if (known_.tokens_at_peak > 0)
    line += fmt::format(", {:.0f} % of peak", 100 * rate / known_.tokens_at_peak);
  if (planned && left > 0)
    line += fmt::format(", {} left", duration(each * static_cast<double>(left)));
  return line;
}

// A machine is not as fast in its second hour as in its first minute: after each step it is asked
// anew for how many there is time, so that the rate has fallen when the time is over. The first
// step of a process finds nothing in the caches, and counts only while there is no other.
void Course::keep_to_budget() {
  const std::int64_t done = trainer_.done();
  const std::int64_t here = done - start_.steps;
  if (here == 1) taught_first_ = taught_;
  step_seconds_ = here == 1 ? taught_ : (taught_ - taught_first_) / static_cast<double>(here - 1);
  const double each = step_seconds_ + look_seconds_ / static_cast<double>(s_.steps_per_eval);
  const double left = static_cast<double>(s_.time_budget) / 1e3 - spent() - seconds_of_end();
  state_.planned = static_cast<double>(done) + std::floor(std::max(0.0, left) / each);
  plan(static_cast<std::int64_t>(state_.planned));
}

double Course::spent() const { return state_.spent + seconds_since(begun_); }

// The last look; then what was learnt is written and, as a model, read again; forward passes are a
// third of a step's work each, and go over some sequences twice.
double Course::seconds_of_end() const {
  const double read = known_.loading * (s_.full() ? 3 : 1);
  const double verified =
      s_.no_verify ? 0 : 2.0 / 3 * step_seconds_ * kVerified / static_cast<double>(s_.batch);
  return look_seconds_ +
         std::max(read + verified, kLeftForTheEnd * static_cast<double>(s_.time_budget) / 1e3);
}

void Course::save(const Checkpoints& to) {
  State now = state_;
  if (s_.time_budget > 0) now.spent = spent();
  to.save(pupil_.backend(), {trainer_.done(), numbers_of(now)}, tensors_);
}

}  // namespace r1
