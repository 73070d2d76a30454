#include "tools/finetune/dry_run.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "lib/backend/open_backend.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/io/weights_files.h"
#include "tools/common/progress.h"
#include "tools/finetune/counting_backend.h"
#include "tools/finetune/course.h"
#include "tools/finetune/export.h"
#include "tools/finetune/samples.h"
#include "tools/finetune/verify.h"

namespace r1 {
namespace {

constexpr std::int64_t kCounted = 16;  // sequences of the data at least

// Of what is learnt, and of its gradients.
std::pair<std::uint64_t, std::uint64_t> bytes_learnt(const Pupil& pupil) {
  std::uint64_t weights = 0, gradients = 0;
  for (const auto& [name, weight] : pupil.learner().weights) {
    weights += weight.value.bytes();
    gradients += weight.grad.bytes();
  }
  return {weights, gradients};
}

// One document that fills a sequence. Where a token is not learnt, as hardly ever are all, what is
// learnt is gathered.
TrainingSample whole_sequence(std::int64_t length) {
  const auto tokens = static_cast<std::size_t>(length + 1);
  TrainingSample sample{std::vector<TokenId>(tokens, 0), std::vector<std::uint8_t>(tokens, 1)};
  sample.trained[0] = sample.trained[1] = 0;
  return sample;
}

using Part = std::pair<const char*, std::uint64_t>;
std::array<Part, 10> parts_of(const TrainingPlan& p) {
  return {{{"weights", p.weights},
           {"copies", p.copies},
           {"adapter", p.adapter},
           {"gradients", p.gradients},
           {"moments", p.moments},
           {"activations", p.activations},
           {"samples", p.samples},
           {"checkpoint", p.checkpoint},
           {"verification", p.verification},
           {"program", p.program}}};
}

std::string shown(std::uint64_t bytes, const char* name) {
  return fmt::format("{:12.1f} MiB  {}\n", static_cast<double>(bytes) / (1 << 20), name);
}

std::string operations(double count) {
  if (count < 1e12) return fmt::format("{:.3g} GFLOP", count / 1e9);
  return count < 1e15 ? fmt::format("{:.3g} TFLOP", count / 1e12)
                      : fmt::format("{:.3g} PFLOP", count / 1e15);
}

// How long all steps take, or how many there are in the time that is given: at the peak, which no
// run reaches, and at half of it, which many do.
std::string time_plan(const FinetuneSettings& s, const TrainingPlan& plan) {
  const double work = plan.data_operations, all = work * static_cast<double>(s.iters);
  std::string line = s.time_budget > 0 ? operations(work) + " a step with these data"
                                       : operations(all) + " in all with these data";
  if (!(plan.peak > 0)) return line + "; how long that takes is measured of processors alone\n";
  line += fmt::format("; this machine's peak is {}/s: ", operations(plan.peak));
  if (s.time_budget == 0)
    return line + fmt::format("{}, or {} at half of it\n", time_span(all / plan.peak),
                              time_span(2 * all / plan.peak));
  const double most = static_cast<double>(s.time_budget) / 1e3 * plan.peak / work;
  return line + fmt::format("{:.0f} steps, or {:.0f} at half of it\n", most, most / 2);
}

std::string as_text(const FinetuneSettings& s, const TrainingPlan& plan, const Lessons& lessons,
                    const std::string& sample) {
  const std::string steps =
      s.time_budget > 0
          ? fmt::format("{} for {}",
                        s.counts_steps() ? fmt::format("at most {} steps", s.iters) : "steps",
                        time_span(static_cast<double>(s.time_budget) / 1e3))
          : fmt::format("{} steps", s.iters);
  std::string text = fmt::format(
      "{}\n{} of {} sequences, up to {} tokens each: at most {} a step\n", lessons.described(),
      steps, s.batch, s.max_seq_length, operations(plan.operations));
  text += time_plan(s, plan);
  for (const auto& [name, bytes] : parts_of(plan))
    if (bytes > 0) text += shown(bytes, name);
  return text + shown(plan.total(), "in all") + shown(plan.disk, "on disk") + "\n" + sample + "\n";
}

std::string as_json(const FinetuneSettings& s, const ModelFiles& files, const TrainingPlan& plan,
                    const Lessons& lessons, const std::string& sample) {
  const auto number = [](std::uint64_t n) { return static_cast<std::int64_t>(n); };
  JsonWriter w;
  w.begin_object().key("schema").string("r1.dry-run/1").key("model").begin_object();
  w.key("name").string(s.init.empty() ? s.model : s.init);
  w.key("path").string(s.init.empty() ? files.path().string() : s.init);
  w.key("bytes").integer(number(files.total_bytes())).end_object();
  w.key("memory").begin_object();
  for (const auto& [name, bytes] : parts_of(plan)) w.key(name).integer(number(bytes));
  w.key("total").integer(number(plan.total())).end_object();
  w.key("disk")
      .integer(number(plan.disk))
      .key("data")
      .begin_object()
      .key("samples")
      .integer(lessons.samples());
  w.key("measured").integer(lessons.measured());
  w.key("tokens").integer(lessons.tokens()).key("trained").integer(lessons.trained());
  w.key("sequences").integer(lessons.epoch()).end_object().key("steps");
  s.time_budget > 0 ? w.null() : w.integer(s.iters);
  w.key("batch_size").integer(s.batch).key("max_seq_length").integer(s.max_seq_length);
  w.key("flop_per_step").number(plan.operations);
  w.key("data_flop_per_step").number(plan.data_operations);
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const double peak = plan.peak > 0 ? plan.peak : kNone;
  const double steps = s.time_budget > 0 ? kNone : static_cast<double>(s.iters);
  w.key("peak_flop_s").number(peak);
  w.key("seconds_at_peak").number(steps * plan.data_operations / peak);
  w.key("sample").string(sample);
  return w.end_object().text() + "\n";
}

// Checkpoints that are there at a time: one is written before the oldest goes.
std::int64_t checkpoints(const FinetuneSettings& s) {
  const std::int64_t own = s.keep_last + 1, best = s.early_stop > 0 ? 2 : 0;
  if (!s.counts_steps()) return own + best;
  return std::min(own, (s.iters + s.save_every - 1) / s.save_every) + best;
}

// By a step of two passes.
void count_memory(TrainingPlan& plan, CountingBackend& counter, const Pupil& pupil,
                  const Packer& packs, TrainOptions options) {
  options.batch = 2 * options.at_once;
  const std::uint64_t before = counter.bytes();
  Trainer trainer(counter, pupil.learner(), packs, options);
  const std::uint64_t held = counter.bytes();
  counter.reset_peak();
  trainer.step();
  plan.activations = counter.peak() - held;
  plan.checkpoint = total_bytes(trainer.state());
  const auto [learnt, gradients] = bytes_learnt(pupil);
  plan.moments = plan.checkpoint - learnt;
  plan.copies = held - before - plan.moments - gradients;  // the last for sums
}

// Weights that are rounded have the same products: there is no need to round them.
Learner counted(const Pupil& pupil) {
  Learner learner = pupil.learner();
  learner.rounded = nullptr;
  return learner;
}

// Of a step. A large one is counted by parts of it: the optimizer's work is in both.
StepWork count_work(CountingBackend& counter, const Pupil& pupil, const Packer& packs,
                    TrainOptions options) {
  const std::int64_t batch = options.batch;
  const auto of = [&](std::int64_t sequences, std::int64_t steps) {
    options.batch = sequences;
    options.at_once = std::min(options.at_once, sequences);
    Trainer trainer(counter, counted(pupil), packs, options);
    if (!packs.pack(0).pairs.empty())
      trainer.evaluate(packs, steps * sequences);  // DPO's reference is known then
    const double before = counter.operations();
    StepWork work;
    for (std::int64_t n = 0; n < steps; ++n)
      work.tokens += static_cast<double>(trainer.step().tokens) / static_cast<double>(steps);
    work.operations = (counter.operations() - before) / static_cast<double>(steps);
    work.fp8_share = counter.fp8_products() / counter.products();
    return work;
  };
  if (batch <= 2 * kCounted) return of(batch, (kCounted + batch - 1) / batch);
  const StepWork some = of(kCounted, 1), more = of(2 * kCounted, 1);
  const double times = static_cast<double>(batch - kCounted) / static_cast<double>(kCounted);
  return {some.operations + times * (more.operations - some.operations),
          some.tokens + times * (more.tokens - some.tokens), some.fp8_share};
}

// An option for what takes most.
const char* what_takes_less(const FinetuneSettings& s, const TrainingPlan& plan) {
  if (plan.activations > plan.total() - plan.activations)
    return s.recompute ? "a smaller --micro-batch" : "--grad-checkpoint";
  if (!s.full()) return "--quantize-base q4_k";
  return s.moments == "fp8" ? "--fine-tune-type lora" : "--moments fp8 or --fine-tune-type lora";
}

}  // namespace

TrainingPlan plan_training(const FinetuneSettings& s, const ModelFiles& files,
                           const TextOfModel& text) {
  auto backend = std::make_unique<CountingBackend>();
  CountingBackend& counter = *backend;
  Pupil pupil(std::move(backend), s, files, text);
  const SamplePrompts prompts(s, text, pupil.network());  // fails for what the run would fail for
  const auto [learnt, gradients] = bytes_learnt(pupil);
  const TrainOptions options = train_options(s);
  const bool apart = options.at_once < options.batch;  // gradients, and their sums
  TrainingPlan plan{.adapter = s.full() ? 0 : learnt,
                    .gradients = apart ? 2 * gradients : gradients};
  plan.weights = counter.bytes() - plan.adapter - gradients;
  plan.samples = prompts.cache_bytes(pupil.network());
  plan.verification = verification_bytes(s, files);

  const std::vector<TrainingSample> samples = {whole_sequence(s.max_seq_length)};
  const Packer packs(samples, s.max_seq_length, true, 0);
  count_memory(plan, counter, pupil, packs, options);
  plan.disk = static_cast<std::uint64_t>(checkpoints(s)) * plan.checkpoint +
              export_bytes(s, files, plan.adapter);
  plan.operations = count_work(counter, pupil, packs, options).operations;
  return plan;
}

StepWork work_of_step(const FinetuneSettings& s, const ModelFiles& files, const TextOfModel& text,
                      const Packer& packs) {
  auto backend = std::make_unique<CountingBackend>();
  CountingBackend& counter = *backend;
  const Pupil pupil(std::move(backend), s, files, text);
  StepWork work = count_work(counter, pupil, packs, train_options(s));
  work.in_bf16 = s.product_type() == DType::bf16 || pupil.keeps_blocks();
  return work;
}

double product_peak(Backend& backend, bool in_bf16) {
  const DType type = in_bf16 ? DType::bf16 : DType::f32;
  constexpr std::int64_t kRounds = 20'000;  // of some hundred cycles: longer than threads wake up
  using Clock = std::chrono::steady_clock;
  std::array<double, 20> rates;  // other programs leave some of them alone
  for (double& rate : rates) {
    const auto begin = Clock::now();
    const double done = backend.multiply_in_registers(type, kRounds);
    rate = done / std::chrono::duration<double>(Clock::now() - begin).count();
  }
  std::sort(rates.begin(), rates.end());
  return rates[rates.size() - 3];  // the best one alone may be luck
}

void want_memory(const FinetuneSettings& s, const TrainingPlan& plan, bool on_host) {
  const auto asked = static_cast<std::uint64_t>(s.max_memory);
  const std::uint64_t most = asked > 0 ? asked : memory_of_machine();
  if ((asked == 0 && !on_host) || plan.total() <= most) return;
  const auto gib = [](std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 30); };
  fail(on_host ? ErrorKind::oom_cpu : ErrorKind::oom_gpu,
       "a run takes {:.2f} GiB, and {} {:.2f}: {} takes less", gib(plan.total()),
       asked > 0 ? "--max-memory allows" : "this machine has", gib(most), what_takes_less(s, plan));
}

Rehearsal dry_run(const FinetuneSettings& s, const ModelFiles& files, const TextOfModel& text,
                  const Lessons& lessons) {
  TrainingPlan plan = plan_training(s, files, text);
  const StepWork work = work_of_step(s, files, text, lessons.packs());
  plan.data_operations = work.operations;
  if (s.device == "cpu")  // a rehearsal opens no card
    plan.peak = product_peak(*open_backend(s.device, {.threads = static_cast<int>(s.threads)}),
                             work.in_bf16);
  const std::string sample = render_sample(lessons.first(), text.tokenizer());
  return {plan,
          s.json ? as_json(s, files, plan, lessons, sample) : as_text(s, plan, lessons, sample)};
}

}  // namespace r1
