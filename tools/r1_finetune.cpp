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
#include "lib/models/adapter.h"
#include "lib/models/decoder_config.h"
#include "lib/quant/types.h"
#include "lib/text/chat_template.h"
#include "tools/common/inputs.h"
#include "tools/common/models.h"
#include "tools/common/progress.h"
#include "tools/common/results.h"
#include "tools/common/settings.h"
#include "tools/common/signals.h"
#include "tools/finetune/course.h"
#include "tools/finetune/dry_run.h"
#include "tools/finetune/event_file.h"
#include "tools/finetune/export.h"
#include "tools/finetune/lessons.h"
#include "tools/finetune/products.h"
#include "tools/finetune/pupil.h"
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
    return run_program(program, standard_, kManual, argc, argv,
                       [&](const Ui& ui) { return run(ui); });
  }

 private:
  int run(const Ui& ui) {
    check();
    choose_rate();
    check_output();
    const TemporaryFolder rehearsed(s_.dry_run && !s_.init.empty());
    StartOfRun start;
    const ModelFiles files = ModelFiles::open(base(rehearsed.path(), start));
    if (s_.export_type.empty()) s_.export_type = half_type(files);
    check_export(s_, files);
    keep_what_is_read(files);
    const TextOfModel text(files, data_folder(), s_.chat_template);
    choose_length(files, ui);
    if (s_.tokenizer == "train" && text.tokenizer().size() < s_.vocab)
      ui.say(kTool,
             fmt::format("the data make a vocabulary of {} tokens, not of {}",
                         text.tokenizer().size(), s_.vocab),
             0);
    const Lessons lessons(s_, text.forms());
    plan(lessons);
    ui.say(kTool, lessons.described(), 1);
    if (s_.dry_run) {
      tell_repeats(ui, lessons);
      return rehearse(files, text, lessons);
    }
    if (const std::string out = lessons.not_learnt(); !out.empty())
      ui.say(kTool, "not learnt: " + out, 0);
    if (const std::string out = lessons.not_measured(); !out.empty())
      ui.say(kTool, "not measured: " + out, 0);
    auto backend = open_backend(s_.device, {.threads = static_cast<int>(s_.threads)});
    const bool wants_bf16 = s_.precision == "bf16";
    choose_precision(backend->device() == Device::cuda);
    const RunFile run_file(s_, files);
    if (s_.resume && run_file.says_finished()) {
      write_table_of_run(s_);
      ui.say(kTool, fmt::format("{} is finished already", escaped(s_.output)), 0);
      return 0;
    }
    if (s_.resume && checkpoints_of(s_, run_file.recipe()).any()) run_file.refuse_others(s_.output);
    choose_micro_batch(*backend, files, text);
    const Course::Clock::time_point loading = Course::Clock::now();
    Pupil pupil(std::move(backend), s_, files, text);
    const double loaded = std::chrono::duration<double>(Course::Clock::now() - loading).count();
    ui.say(kTool,
           fmt::format("{}: on {}, loaded in {:.0f} ms", escaped(files.path().string()),
                       pupil.backend().describe(), 1e3 * loaded),
           1);
    if (wants_bf16 && !s_.full() && s_.qat.empty() && !pupil.keeps_bf16())
      ui.say(kTool, "--precision bf16 changes nothing: the model's matrices are in blocks", 0);
    const SamplePrompts prompts(s_, text, pupil.network());
    stop_when_interrupted();
    begin_output(run_file, files, pupil.learnt());
    start.keep();
    tell_repeats(ui, lessons);
    ui.say(kTool, fmt::format("{} of {} weights are learnt", pupil.learnt(), pupil.weights()), 1);
    Course::Known known = facts_of_steps(pupil.backend(), files, text, lessons, ui.progress);
    known.loading = loaded;
    stop_when_interrupted();
    Course course(s_, pupil, lessons, prompts, run_file.recipe(), ui, start_, known);
    course.run();
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
    tell_end(ui, files);
    if (const std::string& why = course.lost_records(); !why.empty())
      fail(ErrorKind::write, "{}; {}/records.jsonl has all records", why, escaped(s_.output));
    return 0;
  }

  void check() {
    if (s_.precision == "f32" || s_.precision == "f16") s_.precision.insert(1, "p");
    if (!s_.init.empty() && !s_.method_given) s_.method = "full";
    if (!s_.operands.empty())
      fail(ErrorKind::usage, "{} is no option: -m names the model, and --data what it learns",
           escaped(s_.operands.front()));
    refuse_if(s_.data.empty(), "--data names what is learnt");
    refuse_if(s_.output.empty() && !s_.dry_run, "-o names the folder that is written");
    refuse_if(!s_.full() && s_.optimizer == "muon", "--optimizer muon is of --fine-tune-type full");
    if (s_.full()) forget_adapters();
    if (!s_.adapter.empty()) take_adapter();
    refuse_if(s_.dpo() && s_.full(),
              "--objective dpo is of --fine-tune-type lora and dora: it is held against the model "
              "without them");
    refuse_if(!s_.qat.empty() &&
                  (s_.method == "dora" || s_.dpo() || s_.dropout > 0 || !s_.quantize_base.empty()),
              "--qat goes neither with dora and dpo nor with --dropout and --quantize-base");
    refuse_if(!s_.qat.empty() && s_.export_given && s_.export_kind != "gguf",
              "--qat is exported as the .gguf file that it was taught for");
    refuse_if(!s_.qat.empty() && s_.export_type_given && s_.export_type != s_.qat,
              "--qat is exported as the type that it was taught for");
    if (!s_.qat.empty()) want_mix("--qat", s_.export_type = s_.qat);
    const bool half = s_.weight_type == "bf16";
    refuse_if(half && (!s_.full() || s_.optimizer == "muon" || !s_.qat.empty()),
              "--weight-type bf16 is of --fine-tune-type full by AdamW, without --qat");
    refuse_if(half && !s_.precision.empty() && s_.precision != "bf16",
              "--weight-type bf16 goes with --precision bf16");
    if (half) s_.precision = "bf16";
    refuse_if(!s_.full() && (s_.precision == "fp8" || s_.precision == "fp16"),
              "--precision fp16 and fp8 are of --fine-tune-type full");
    refuse_if(!s_.init.empty() && !s_.model.empty(), "--init takes the place of --model");
    refuse_if(s_.init.empty() != s_.tokenizer.empty(), "--init and --tokenizer go together");
    refuse_if(!s_.init.empty() && s_.method_given && s_.method != "full",
              "all weights are learnt with --init, not an adapter");
    refuse_if(!s_.val.empty() && s_.val_share > 0, "--val-share takes the place of --val");
    if (!s_.measures()) s_.early_stop = 0;
    refuse_if(s_.resume && s_.force, "--resume goes on with what -f would replace");
    refuse_if(
        s_.iters_given + (s_.epochs > 0) + (s_.time_budget > 0) > 1,
        "--iters, --epochs and --time-budget say the same in three ways: one of them is enough");
    for (const std::vector<std::string>* list : {&s_.data, &s_.val})
      for (const std::string& name : *list)
        if (name == "-" || is_device(name))
          fail(ErrorKind::usage, "{} is read more than once, and wants to be a file",
               shown_input(name));
  }

  // An adapter that is taught further has a form of its own, and says what conversations look like.
  void take_adapter() {
    refuse_if(s_.shape_given,
              "--adapter has its own --rank, --alpha, --rslora and --target-modules");
    const fs::path folder(s_.adapter);
    if (is_there(folder / Adapter::kFile) && !is_there(folder / Adapter::kConfig))
      fail(ErrorKind::usage, "{} has an adapter of llama.cpp's; one of peft's is taught further",
           escaped(s_.adapter));
    const AdapterChoice own = Adapter::choice_of(folder);
    const std::string method = own.dora ? "dora" : "lora";
    if (s_.method_given && s_.method != method)
      fail(ErrorKind::usage, "{} was learnt by --fine-tune-type {}", escaped(s_.adapter), method);
    s_.method = method;
    s_.rank = own.rank;
    s_.alpha = own.alpha;
    s_.rslora = own.rank_stabilized;
    if (s_.chat_template.empty() && is_there(folder / kChatTemplateFile))
      s_.chat_template = (folder / kChatTemplateFile).string();
  }

  // What a configuration file says of them is not meant where all weights are learnt.
  void forget_adapters() {
    s_.adapter.clear();
    s_.modules.clear();
    s_.quantize_base.clear();
    s_.rslora = false;
    s_.dropout = 0;
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

  void choose_rate() {
    if (s_.rate_given) return;
    s_.rate = !s_.full() ? 2e-4 : s_.init.empty() ? 1e-5 : 1e-3;
  }

  // Steps in all, where not --iters says them.
  void plan(const Lessons& lessons) {
    if (s_.epochs == 0) return;
    const auto packs = static_cast<double>(lessons.epoch());
    s_.iters = std::max<std::int64_t>(
        1, std::llround(std::ceil(s_.epochs * packs / static_cast<double>(s_.batch))));
  }

  void tell_repeats(const Ui& ui, const Lessons& lessons) const {
    const std::int64_t there = lessons.epoch();
    if (s_.batch <= there) return;
    ui.say(kTool,
           fmt::format("a step takes {} sequences, and the data have {}: the same are learnt again "
                       "within a step, and not with --batch-size {}",
                       s_.batch, there, there),
           0);
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
    const bool timed = progress || s_.timing;
    if (!timed && s_.precision != "fp8") return {};
    const StepWork work = work_of_step(s_, files, text, lessons.packs());
    const double peak = timed ? product_peak(backend, work.in_bf16) : 0;
    return {peak * work.tokens / work.operations, work.fp8_share};
  }

  int rehearse(const ModelFiles& files, const TextOfModel& text, const Lessons& lessons) {
    choose_precision(s_.device == "cuda");
    const auto out = open_stdout();
    out->write(dry_run(s_, files, text, lessons));
    out->close();
    return 0;
  }

  // Fails with `usage` for what would be replaced.
  void check_output() {
    if (s_.dry_run) return;
    if (s_.log_csv == "-" || is_device(s_.log_csv))
      fail(ErrorKind::usage, "{} is no file; records for a pipe come on standard output",
           escaped(s_.log_csv));
    refuse_if(is_of_the_run(s_.log_csv), "--log-csv names a file that the run itself writes");
    want_folders_of_records();
    std::error_code error;
    const bool there = fs::exists(s_.output, error) && !fs::is_empty(s_.output, error);
    if (there && !fs::is_directory(s_.output, error))
      fail(ErrorKind::usage, "{} is no folder", escaped(s_.output));
    if (there && !s_.resume && !s_.force)
      fail(ErrorKind::usage, "{} is not empty{}", escaped(s_.output),
           holds_run(s_.output) ? "; --resume goes on with it, -f begins anew"
                                : ", and no run of r1-finetune: -o wants a folder of its own");
    if (!s_.log_csv.empty() && !s_.force && !s_.resume && !in_the_way(s_.log_csv).empty())
      fail(ErrorKind::usage, "{} exists; -f replaces it", escaped(in_the_way(s_.log_csv)));
    if (!s_.force && !s_.resume && holds_event_files(s_.tensorboard))
      fail(ErrorKind::usage, "{} has the events of another run; -f replaces them",
           escaped(s_.tensorboard));
    if (there) lock_.take(s_.output);
  }

  // Found out before anything of an earlier run is gone.
  void want_folders_of_records() const {
    const fs::path folder = fs::path(s_.log_csv).parent_path();
    std::error_code error;
    if (!folder.empty() && folder != fs::path(s_.output) && !fs::is_directory(folder, error))
      fail(ErrorKind::write, "{} is to be in {}, which is no folder", escaped(s_.log_csv),
           escaped(folder.string()));
    if (fs::exists(s_.tensorboard, error) && !fs::is_directory(s_.tensorboard, error))
      fail(ErrorKind::write, "{} is no folder", escaped(s_.tensorboard));
  }

  bool is_of_the_run(const std::string& name) const {
    const auto within = [&](const std::string& file) {
      return is_same_place(name, fs::path(s_.output) / file);
    };
    const std::vector<std::string> own = names_of_any_run();
    return is_same_place(name, s_.output) || within(kStart) ||
           std::any_of(own.begin(), own.end(), within);
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
    inputs.insert(inputs.end(),
                  {base.path().string(), s_.adapter, s_.init, s_.tokenizer, s_.chat_template});
    for (const std::vector<std::string>* list : {&s_.data, &s_.val})
      inputs.insert(inputs.end(), list->begin(), list->end());
    for (const std::string& prompt : s_.sample_prompts)
      if (prompt.starts_with('@')) inputs.push_back(prompt.substr(1));
    keep_inputs(results, inputs);
  }

  void begin_output(const RunFile& run_file, const ModelFiles& base, std::int64_t learnt) {
    constexpr std::int64_t kLeast = 6;  // bytes of a checkpoint, for a number that is learnt
    if (!s_.resume) need_space(s_.output, static_cast<std::uint64_t>(kLeast * learnt), 0);
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
