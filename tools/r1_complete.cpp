// r1-complete: text in, what comes next out.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>

#include <unistd.h>

#include "lib/backend/open_backend.h"
#include "lib/base/output.h"
#include "tools/common/docs.h"
#include "tools/common/inputs.h"
#include "tools/common/models.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"
#include "tools/common/results.h"
#include "tools/common/settings.h"
#include "tools/common/signals.h"
#include "tools/complete/conflicts.h"
#include "tools/complete/dry_run.h"
#include "tools/complete/printer.h"
#include "tools/complete/requests.h"
#include "tools/complete/sources.h"
#include "tools/complete/table.h"
#include "tools/manual.h"

namespace r1 {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kTool = "r1-complete";

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// What -v says of one request, or of all.
struct Tally {
  std::int64_t read = 0, written = 0;  // tokens
  Clock::time_point since;

  std::string text() const {
    return fmt::format("{} tokens read, {} written in {:.0f} ms", read, written,
                       milliseconds_since(since));
  }
};

class Complete {
 public:
  int main(int argc, char** argv) {
    Program program = complete_program(s_, standard_);
    return run_program(program, standard_, kManual, argc, argv,
                       [&](const Ui& ui) { return run(program, ui); });
  }

 private:
  int run(const Program& program, const Ui& ui) {
    if (s_.output == "/dev/stdout") s_.output = "-";  // a file behind it is not to be replaced
    if (s_.list_models) {
      print_whole(model_list(model_places(s_.model_path), s_.json));
      return 0;
    }
    const bool edits_stdin = s_.filter && s_.names_nothing();
    if (!edits_stdin || ui.stdin_tty) prepare();
    if (nothing_to_read(ui)) {
      ui.say(kTool,
             "nothing to complete: give text on standard input, with -p, or in a file\n" +
                 help_text(program, true),
             -1);
      return 2;
    }
    if (s_.dry_run) return look_before();
    return edits_stdin ? run_filter(ui) : complete(ui);
  }

  // @F is read once, and before anything else; what is read is noted while F still has its name.
  void prepare() {
    std::vector<std::string> others = config_files(standard_.config);
    others.push_back(standard_.log_file);
    check(s_, others);
    s_.read = inputs_of(s_);
    s_.read.insert(s_.read.end(), others.begin(), others.end());
    for (std::string* text : {&s_.prompt, &s_.suffix, &s_.system}) *text = text_or_file(*text);
  }

  // --dry-run
  int look_before() const {
    const std::string name = model_name();
    const ModelFiles files = ModelFiles::open(model_at(name));
    const auto backend = open();
    const MemoryLimit limit =
        memory_limit(*backend, static_cast<std::uint64_t>(s_.max_memory), s_.gpu_memory);
    const MemoryUse use{cache_type(*backend, files, s_.kv_type, s_.dtype), s_.batch_size,
                        backend->device(), Adapter::bytes_of(s_.adapter)};
    const MemoryPlan plan = plan_memory(files, use, limit);
    std::int64_t failed = 0;
    print_whole(dry_run(
        s_, name, files, plan,
        recipe_of(s_, adapted_digest(files.digest(), s_.adapter), device_of(*backend)), failed));
    return failed > 0 ? 1 : 0;
  }

  std::string model_name() const { return s_.model.empty() ? kShippedModel : s_.model; }
  std::filesystem::path model_at(const std::string& name) const {
    std::filesystem::path path = find_model(name, model_places(s_.model_path));
    keep_model(s_, path);
    return path;
  }
  // What records call it, whatever `auto` found.
  std::string device_of(const Backend& backend) const {
    return backend.device() == Device::cuda ? "cuda" : s_.device == "ref" ? "ref" : "cpu";
  }
  std::unique_ptr<Backend> open() const {
    return open_backend(s_.device, {.threads = static_cast<int>(s_.threads),
                                    .cpu_isa = s_.cpu_isa,
                                    .batch_invariant = s_.deterministic});
  }

  bool nothing_to_read(const Ui& ui) const { return ui.stdin_tty && s_.names_nothing(); }

  // Whatever goes wrong once the command line is read, the editor's text stays.
  int run_filter(const Ui& ui) {
    const std::string text = read_stdin();
    if (text.empty()) return 0;
    try {
      prepare();
      s_.prompt = text;
      s_.prompt_given = true;
      return complete(ui);
    } catch (const Error& e) {
      print_whole(text);
      if (ui.verbosity > 0) throw;
      return exit_status(e.kind());
    } catch (...) {
      print_whole(text);
      throw;
    }
  }

  int complete(const Ui& ui) {
    const auto start = Clock::now();
    const auto backend = open();
    const std::string name = model_name();
    const std::filesystem::path path = model_at(name);
    const LoadedModel model =
        load_model_with_text(*backend, name, path,
                             {.dtype = s_.dtype,
                              .kv_type = s_.kv_type,
                              .use_mmap = !s_.no_mmap,
                              .data_dir = data_folder(),
                              .adapter = s_.adapter,
                              .max_memory = static_cast<std::uint64_t>(s_.max_memory),
                              .gpu_memory = s_.gpu_memory,
                              .batch_size = s_.batch_size});
    ui.say(kTool,
           fmt::format("{}: {}, on {}, loaded in {:.0f} ms", escaped(name), model.quant,
                       backend->describe(), milliseconds_since(start)),
           1);
    CompletionRequest defaults = request_of(s_);
    sample_as_model_says(defaults.sampling, s_, model.sampling);
    const RecordContext context = record_context(s_, model, device_of(*backend));
    Choice choice(s_, context.recipe, path);
    const auto source =
        s_.request_lines() ? line_source(s_, defaults, choice) : text_source(s_, defaults, choice);
    Printer printer(s_, ui, model, context, choice);
    const bool ended_early = work(*backend, model, *source, printer, ui);
    printer.close(caught_signal() != 0, ended_early);
    return printer.exit_status();
  }

  // Did it end before all was asked for?
  bool work(Backend& backend, const LoadedModel& model, Source& source, Printer& printer,
            const Ui& ui) {
    ProgressLine progress(ui, kTool, s_.records() && (!ui.stdout_tty || s_.output != "-"));
    Completer completer(
        backend, model,
        {.batch_size = s_.batch_size, .max_inflight = s_.max_inflight, .unordered = s_.unordered});
    struct Started {
      ItemSource item;
      Clock::time_point at;
    };
    std::map<std::int64_t, Started> items;       // by index, until their result is written
    std::int64_t count = 0, done = 0, kept = 0;  // kept: from an earlier run
    std::int64_t broken = 0;                     // broken: known before its turn to be printed
    bool ended_early = false;
    Tally all{.since = Clock::now()};
    Completer::Callbacks callbacks;
    callbacks.next = [&](CompletionRequest& request, bool may_wait) {
      const std::int64_t most = s_.fail_fast ? 1 : s_.max_errors;
      const std::int64_t failed = std::max(printer.failed(), broken);
      ended_early = (most > 0 && failed >= most) || printer.disk_full();
      if (ended_early) return Completer::Next::end;
      ItemSource item;
      const Completer::Next what = source.next(request, item, may_wait);
      if (what == Completer::Next::request) {
        printer.started(request);
        broken += request.broken.has_value();
        items[count++] = {std::move(item), Clock::now()};
      }
      return what;
    };
    callbacks.done = [&](CompletionResult&& result) {
      progress.clear();
      const auto found = items.find(result.index);
      found->second.item.timing_ms = milliseconds_since(found->second.at);
      kept += !found->second.item.kept.empty();
      const Tally one{result.prompt_tokens, completion_tokens(result), found->second.at};
      ui.say(kTool, fmt::format("request {}: {}", result.index, one.text()), 2);
      all.read += one.read;
      all.written += one.written;
      printer.done(std::move(result), found->second.item);
      items.erase(found);
      progress.draw(++done, source.expected());
    };
    if (printer.streams()) callbacks.stream = [&](std::string_view text) { printer.stream(text); };
    callbacks.interrupted = [&] {
      progress.draw(done, source.expected());
      return caught_signal() != 0;
    };
    completer.run(callbacks);
    const std::string of_before = kept == 0 ? "" : fmt::format(", {} of them kept", kept);
    ui.say(kTool, fmt::format("{} done{}: {}", done, of_before, all.text()), 1);
    return ended_early;
  }

  CompleteSettings s_;
  StandardOptions standard_;
};

}  // namespace
}  // namespace r1

int main(int argc, char** argv) { return r1::Complete().main(argc, argv); }
