// r1-finetune: teaches a model.
#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>

#include "lib/backend/open_backend.h"
#include "lib/base/error.h"
#include "lib/base/output_lock.h"
#include "lib/base/paths.h"
#include "lib/base/write_file.h"
#include "lib/models/decoder_config.h"
#include "lib/nn/params.h"
#include "lib/train/weights.h"
#include "tools/common/failures.h"
#include "tools/common/models.h"
#include "tools/common/progress.h"
#include "tools/common/results.h"
#include "tools/common/settings.h"
#include "tools/common/signals.h"
#include "tools/finetune/check.h"
#include "tools/finetune/course.h"
#include "tools/finetune/data_files.h"
#include "tools/finetune/dry_run.h"
#include "tools/finetune/export.h"
#include "tools/finetune/lessons.h"
#include "tools/finetune/products.h"
#include "tools/finetune/pupil.h"
#include "tools/finetune/records.h"
#include "tools/finetune/run_file.h"
#include "tools/finetune/scratch.h"
#include "tools/finetune/temporary_folder.h"
#include "tools/finetune/unfinished.h"
#include "tools/manual.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTool = "r1-finetune";

class Finetuner {
 public:
  int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // the product is files
    Program program = finetune_program(s_, standard_);
    return run_program(program, standard_, kManual, argc, argv, [&](const Ui& ui) {
      return telling_failure([&] { return run(ui); }, [&](const Error& e) { return record_of(e); });
    });
  }

 private:
  // Nothing was begun where the command line is wrong.
  std::string record_of(const Error& e) const {
    return s_.dry_run || e.kind() == ErrorKind::usage ? "" : failure_json(e);
  }

  int run(const Ui& ui) {
    if (s_.list_models) {
      print_whole(model_list(model_places(s_.model_path), s_.json));
      return 0;
    }
    check(s_);
    std::error_code none;
    if (!s_.output.empty()) check_output(s_);
    open_folders(s_.data, "not learnt", ui);
    open_folders(s_.val, "not measured", ui);
    if (!s_.dry_run && fs::is_directory(s_.output, none)) lock_.take(s_.output);
    const TemporaryFolder rehearsed(s_.dry_run && !s_.init.empty());
    StartOfRun start;
    const ModelFiles files = ModelFiles::open(base(rehearsed.path(), start));
    if (s_.export_type.empty()) s_.export_type = half_type(files);
    check_export(s_, files);
    keep_what_is_read(files);
    check_quantize_base(files, ui);
    const TextOfModel text(files, data_folder(), s_.chat_template);
    choose_length(files, ui);
    const Lessons lessons(s_, text.forms());
    if (!s_.batch_given) s_.batch = std::min(s_.batch, lessons.epoch());
    plan(lessons);
    tell_of(lessons, text, ui);
    tell_idle(lessons, ui);
    return s_.dry_run ? rehearse(files, text, lessons, ui) : teach(files, text, lessons, start, ui);
  }

  static void open_folders(std::vector<std::string>& names, const char* what, const Ui& ui) {
    DataFiles found = data_files(names);
    names = std::move(found.names);
    if (found.left_out > 0)
      ui.say(kTool,
             fmt::format("{}: {} of the files in folders: .json, or no text", what, found.left_out),
             0);
  }

  int teach(const ModelFiles& files, const TextOfModel& text, const Lessons& lessons,
            StartOfRun& start, const Ui& ui) {
    auto backend = open_backend(s_.device, {.threads = static_cast<int>(s_.threads)});
    const bool wants_bf16 = s_.precision == "bf16";
    choose_precision(backend->device() == Device::cuda);
    if (s_.dropout > 0) choose_micro_batch(*backend, files, text);  // the recipe says how many then
    const RunFile run_file(s_, files);
    if (s_.resume && run_file.says_finished()) {
      write_table_of_run(s_);
      ui.say(kTool, fmt::format("{} is finished already", escaped(s_.output)), 0);
      return 0;
    }
    if (s_.resume && checkpoints_of(s_, run_file.recipe()).any())
      run_file.refuse_others(s_.output);
    else if (!s_.resume_from.empty())
      check_beginning(run_file);
    choose_micro_batch(*backend, files, text);
    const TrainingPlan planned = plan_training(s_, files, text);
    want_memory(s_, planned, backend->memory().total == 0);
    const Course::Clock::time_point loading = Course::Clock::now();
    Pupil pupil(std::move(backend), s_, files, text);
    const double loaded = std::chrono::duration<double>(Course::Clock::now() - loading).count();
    tell_of(pupil, files, loaded, ui);
    if (wants_bf16 && !s_.full() && s_.qat.empty() && !pupil.keeps_16_bits())
      ui.say(kTool, "--precision bf16 changes nothing: the model's matrices are in blocks", 0);
    const SamplePrompts prompts(s_, text, pupil.network());
    stop_when_interrupted();
    begin_output(run_file, files, planned.disk);
    start.keep();
    tell_repeats(lessons, ui);
    Course::Known known = facts_of_steps(pupil.backend(), files, text, lessons, ui.progress);
    known.loading = loaded;
    stop_when_interrupted();
    Course course(s_, pupil, lessons, prompts, run_file.recipe(), ui, start_, known);
    course.run();
    finish(pupil, text, lessons, run_file, ui);
    tell_end(ui, files);
    if (const std::string& why = course.lost_records(); !why.empty())
      fail(ErrorKind::write, "{}; {}/records.jsonl has all records", why, escaped(s_.output));
    return 0;
  }

  // What was learnt takes the place of an earlier export once it is verified.
  void finish(const Pupil& pupil, const TextOfModel& text, const Lessons& lessons,
              const RunFile& run_file, const Ui& ui) {
    Unfinished folder(s_.output);
    const Verification found =
        export_trained(s_, pupil, text, lessons.some(kVerified), folder.path());
    EarlierExport(s_.output).remove();
    const std::vector<std::string> exported = folder.finish();
    if (!s_.no_verify)
      ui.say(kTool,
             fmt::format("read again it differs by {:.2g} nats a token{}", found.divergence,
                         found.rounding ? ": what rounding costs this model" : ""),
             found.rounding ? 0 : 1);
    run_file.finish(exported);
  }

  void tell_of(const Lessons& lessons, const TextOfModel& text, const Ui& ui) const {
    if (s_.tokenizer == "train" && text.tokenizer().size() < s_.vocab)
      ui.say(kTool,
             fmt::format("the data make a vocabulary of {} tokens, not of {}",
                         text.tokenizer().size(), s_.vocab),
             0);
    ui.say(kTool, lessons.described(), 1);
    if (!s_.dry_run) {  // which says it itself
      if (const std::string out = lessons.not_learnt(); !out.empty())
        ui.say(kTool, "not learnt: " + out, 0);
      if (const std::string out = lessons.not_measured(); !out.empty())
        ui.say(kTool, "not measured: " + out, 0);
    }
  }

  // Options that change nothing of this run.
  void tell_idle(const Lessons& lessons, const Ui& ui) const {
    if (s_.fim_rate > 0 && !lessons.has_texts())
      ui.say(kTool, "--fim-rate changes nothing: the data have no plain text", 0);
    const std::int64_t looks = (s_.iters - 1) / s_.steps_per_eval;  // before that at the end
    if (s_.early_stop >= looks && s_.early_stop > 0 && s_.counts_steps())
      ui.say(kTool,
             fmt::format("--early-stop {} stops no run of {} steps that is measured after every "
                         "{}; its best weights are written all the same",
                         s_.early_stop, s_.iters, s_.steps_per_eval),
             0);
  }

  // Rows that are no whole blocks stay as they are: some are told of, and all are a mistake.
  void check_quantize_base(const ModelFiles& files, const Ui& ui) const {
    if (s_.quantize_base.empty()) return;
    std::int64_t all = 0, plain = 0;
    for (const NamedTensor& t : files.tensors())
      if (is_hidden_matrix(t.name, t.tensor.shape)) {
        ++all;
        plain += !is_quantized(type_in_layer(t.tensor, s_.load_options()));
      }
    if (all > 0 && plain == all)
      fail(ErrorKind::usage, "--quantize-base {}: no matrix of {} has rows of whole blocks",
           s_.quantize_base, escaped(files.path().string()));
    if (plain > 0)
      ui.say(kTool,
             fmt::format("{} of {} matrices stay as they are: their rows are no whole blocks of {}",
                         plain, all, s_.quantize_base),
             0);
  }

  void tell_repeats(const Lessons& lessons, const Ui& ui) const {
    if (const std::int64_t there = lessons.epoch(); s_.batch > there)
      ui.say(kTool,
             fmt::format("a step takes {} sequences, and the data have {}: the same are learnt "
                         "again within a step, and not with --batch-size {}",
                         s_.batch, there, there),
             0);
  }

  static void tell_of(Pupil& pupil, const ModelFiles& files, double loaded, const Ui& ui) {
    ui.say(kTool,
           fmt::format("{}: on {}, loaded in {:.0f} ms", escaped(files.path().string()),
                       pupil.backend().describe(), 1e3 * loaded),
           1);
    ui.say(kTool, fmt::format("{} of {} weights are learnt", pupil.learnt(), pupil.weights()), 1);
  }

  void choose_length(const ModelFiles& base, const Ui& ui) {
    const std::int64_t context = read_decoder_config(base).context;
    if (!s_.length_given) s_.max_seq_length = std::min(s_.max_seq_length, context);
    if (s_.max_seq_length > context)
      ui.say(kTool,
             fmt::format("sequences have up to {} tokens, and the model takes {}: what it learns "
                         "of places behind these, nothing uses",
                         s_.max_seq_length, context),
             0);
  }

  // A run that begins behind a checkpoint of another: is it of this model, and are there steps
  // left?
  void check_beginning(const RunFile& run_file) const {
    const std::string from = escaped(s_.resume_from);
    const Recipe& recipe = run_file.recipe();
    const Checkpoints earlier = earlier_checkpoints(s_, recipe);
    const std::optional<Checkpoints::Label> was = earlier.newest();
    if (!was) fail(ErrorKind::usage, "{} has no checkpoint", from);
    if (was->recipe.model != recipe.model)
      fail(ErrorKind::usage, "{} was begun {}", from, run_file.other_model(earlier.folder));
    if (was->recipe.data != recipe.data && !s_.allow_data_change)
      fail(ErrorKind::usage, "{} was begun with other data; --allow-data-change goes on with these",
           from);
    if (s_.counts_steps() && was->step > s_.iters)
      fail(ErrorKind::usage, "{} has learnt {} steps, which count, and this run ends with step {}",
           from, was->step, s_.iters);
  }

  // Steps in all, where not --iters says them.
  void plan(const Lessons& lessons) {
    if (s_.epochs == 0) return;
    const auto packs = static_cast<double>(lessons.epoch());
    s_.iters = std::max<std::int64_t>(
        1, std::llround(std::ceil(s_.epochs * packs / static_cast<double>(s_.batch))));
  }

  void tell_end(const Ui& ui, const ModelFiles& base) const {
    const std::chrono::duration<double> spent = Course::Clock::now() - start_;
    const double budget = static_cast<double>(s_.time_budget) / 1e3;
    if (budget > 0 && spent.count() > budget + 1)
      ui.say(kTool, fmt::format("took {} of {}", time_span(spent.count()), time_span(budget)), 0);
    if (!ui.stderr_tty) return;
    const std::string kind = export_kind(s_, base), dir = escaped(s_.output);
    const std::string model =
        s_.model == kShippedModel ? "" : fmt::format("-m {} ", escaped(s_.model));
    const std::string what = exports_adapter(kind) ? model + "--adapter " + dir
                             : kind == "gguf"      ? fmt::format("-m {}/{}", dir, kModelFile)
                                                   : "-m " + dir;
    ui.say(kTool, fmt::format("r1-complete {} uses what was learnt", what), 0);
  }

  void choose_precision(bool on_card) {
    if (s_.precision.empty()) s_.precision = on_card ? "bf16" : "fp32";
  }

  // A card has work for all of it where many tokens go through the model together, as far as there
  // is memory. No recipe says how many: only last digits depend on it.
  void choose_micro_batch(const Backend& backend, const ModelFiles& files,
                          const TextOfModel& text) {
    constexpr std::int64_t kTokens = 32768;
    const DeviceMemory memory = backend.memory();
    if (s_.micro_batch > 0 || memory.total == 0) return;
    s_.micro_batch = std::clamp<std::int64_t>(kTokens / s_.max_seq_length, 1, s_.batch);
    while (s_.micro_batch > 1 && plan_training(s_, files, text).total() > memory.free / 5 * 4)
      s_.micro_batch /= 2;
  }

  // What records and the line of progress say of them; nothing that neither does.
  Course::Known facts_of_steps(Backend& backend, const ModelFiles& files, const TextOfModel& text,
                               const Lessons& lessons, bool progress) const {
    const bool timed = progress || s_.timing || s_.time_budget > 0;
    if (!timed && s_.precision != "fp8") return {};
    const StepWork work = work_of_step(s_, files, text, lessons.packs());
    const double peak = timed ? product_peak(backend, work.in_bf16) : 0;
    return {.tokens_at_peak = peak * work.tokens / work.operations,
            .fp8_share = work.fp8_share,
            .step_seconds = peak > 0 ? 2 * work.operations / peak : 0};
  }

  int rehearse(const ModelFiles& files, const TextOfModel& text, const Lessons& lessons,
               const Ui& ui) {
    tell_repeats(lessons, ui);
    choose_precision(s_.device == "cuda");
    if (!s_.resume_from.empty()) check_beginning(RunFile(s_, files));
    const Rehearsal rehearsal = dry_run(s_, files, text, lessons);
    print_whole(rehearsal.text);
    want_memory(s_, rehearsal.plan, s_.device == "cpu" || s_.device == "ref");
    return 0;
  }

  // What is taught. A model that has learnt nothing is made, in the output or, to rehearse, in
  // `elsewhere`.
  fs::path base(const fs::path& elsewhere, StartOfRun& start) {
    if (s_.init.empty()) {
      if (s_.model.empty()) s_.model = kShippedModel;
      return find_model(s_.model, model_places(s_.model_path));
    }
    fs::path folder = s_.dry_run ? elsewhere : fs::path(s_.output) / kStart;
    start.make(s_, folder);
    return folder;
  }

  // What is taught and learnt is not replaced by what comes of it.
  void keep_what_is_read(const ModelFiles& base) const {
    std::vector<std::string> results;
    for (const std::string& name : names_of_run(s_, base))
      results.push_back(s_.output + "/" + name);
    results.insert(results.end(), {s_.log_csv, s_.output});
    std::vector<std::string> inputs = config_files(standard_.config);
    inputs.insert(inputs.end(), {base.path().string(), s_.adapter, s_.init, s_.tokenizer,
                                 s_.chat_template, s_.resume_from});
    for (const std::vector<std::string>* list : {&s_.data, &s_.val})
      inputs.insert(inputs.end(), list->begin(), list->end());
    for (const std::string& prompt : s_.sample_prompts)
      if (prompt.starts_with('@')) inputs.push_back(prompt.substr(1));
    keep_inputs(results, inputs);
  }

  void begin_output(const RunFile& run_file, const ModelFiles& base, std::uint64_t bytes) {
    const Recipe& recipe = run_file.recipe();
    if (!s_.resume)
      need_space(s_.output, bytes,
                 checkpoints_of(s_, recipe).bytes() + best_of(s_, recipe).bytes());
    std::error_code error;
    fs::create_directories(s_.output, error);
    if (error) fail(ErrorKind::write, "{}: {}", escaped(s_.output), error.message());
    lock_.take(s_.output);
    if (s_.force) remove_earlier(run_file, base);
    run_file.begin();
  }

  // But for what it exported: that stays until there is something else.
  void remove_earlier(const RunFile& run_file, const ModelFiles& base) const {
    std::error_code error;
    for (const char* ending : {"", ".partial"})
      if (!s_.log_csv.empty()) fs::remove(s_.log_csv + ending, error);
    const fs::path folder(s_.output);
    fs::remove(folder / "loss.svg", error);
    EarlierExport(folder).replace(exported_into(folder));
    checkpoints_of(s_, run_file.recipe()).remove_all();
    best_of(s_, run_file.recipe()).remove_all();
    if (!fs::equivalent(base.path(), folder / kStart, error)) remove_start(folder / kStart);
  }

  FinetuneSettings s_;
  StandardOptions standard_;
  OutputLock lock_;
  Course::Clock::time_point start_ = Course::Clock::now();
};

}  // namespace
}  // namespace r1

int main(int argc, char** argv) { return r1::Finetuner().main(argc, argv); }
