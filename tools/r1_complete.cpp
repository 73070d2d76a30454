// r1-complete: text in, what comes next out.
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
#include "tools/common/signals.h"
#include "tools/complete/manual.h"
#include "tools/complete/records.h"
#include "tools/complete/requests.h"
#include "tools/complete/sources.h"
#include "tools/complete/table.h"

namespace r1 {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kTool = "r1-complete";
constexpr const char* kShippedModel = "r1-plus-mini";

// Writes results: text as it is made, or a record a line.
class Printer {
 public:
  Printer(const CompleteSettings& s, const Ui& ui, const LoadedModel& model,
          const RecordContext& context)
      : s_(s),
        ui_(ui),
        model_(model),
        context_(context),
        harmless_(s.sanitize || (s.output == "-" && ui.stdout_tty)) {
    if (s.output == "-") {
      out_ = open_stdout();
    } else if (s.records()) {
      std::error_code ignored;  // what a broken run left is replaced too
      if (s.force) std::filesystem::remove(s.output + ".partial", ignored);
      out_ = open_journal(s.output);
    } else {
      out_ = open_file(s.output);
    }
  }

  bool streams() const { return !s_.records() && !s_.no_stream && !s_.filter && !s_.extract; }

  void stream(std::string_view text) {
    if (s_.echo && !std::exchange(echoed_, true)) write(prefix_);
    write(text);
    out_->flush();
  }
  void started(const CompletionRequest& request) { prefix_ = request.prefix; }

  void done(const CompletionResult& result, const ItemSource& item) {
    ++(result.error ? failed_ : ok_);
    if (result.error) complain(result, item);
    for (const std::string& warning : result.warnings) ui_.say(kTool, warning, 0);
    if (s_.records()) {
      out_->write(record_line(result, item, context_, *model_.tokenizer));
      out_->flush();
    } else if (!result.error) {
      finish_text(result);
    } else if (s_.filter) {
      write_unchanged(result.request);
    }
  }

  std::int64_t failed() const { return failed_; }
  // Broken off, records stay in FILE.partial; the file of a text that failed does not appear.
  void close(bool interrupted) {
    if (s_.summary) out_->write(summary_line(ok_, failed_, 0, interrupted));
    const bool text_failed = !s_.records() && !s_.filter && failed_ > 0;
    if (s_.output == "-" || !(interrupted || text_failed)) out_->close();
  }

 private:
  void write(std::string_view text) { out_->write(harmless_ ? harmless(text) : std::string(text)); }

  void complain(const CompletionResult& result, const ItemSource& item) const {
    const std::string where = !item.path.empty()          ? escaped(item.path) + ": "
                              : result.request.id.empty() ? ""
                                                          : escaped(result.request.id) + ": ";
    const bool says_where = std::string_view(result.error->what()).starts_with(escaped(item.path));
    ui_.say(kTool, (says_where && !item.path.empty() ? "" : where) + result.error->what(),
            s_.filter ? 1 : -1);
  }

  void finish_text(const CompletionResult& result) {
    const Answer& answer = result.answers[0];
    if (ui_.verbosity > 0 && !answer.reasoning.empty())
      ui_.say(kTool, "reasoning: " + harmless(answer.reasoning), 1);
    const bool whole = s_.echo || s_.filter;
    if (whole && !echoed_) write(result.request.prefix);
    if (!streams()) write(s_.extract ? fenced_block(answer.text) : answer.text);
    if (whole && result.request.suffix) write(*result.request.suffix);
  }

  // On failure an editor's text stays as it was.
  void write_unchanged(const CompletionRequest& r) {
    out_->write(r.messages.empty() ? r.prefix : r.messages.back().content);
    if (!r.suffix) return;
    out_->write(s_.cursor);
    out_->write(*r.suffix);
  }

  // What stands between the first two lines of three backticks; all of it when there are none.
  static std::string fenced_block(const std::string& text) {
    const std::size_t fence = text.find("```");
    if (fence == std::string::npos) return text;
    const std::size_t begin = text.find('\n', fence);
    if (begin == std::string::npos) return text;
    const std::size_t end = text.find("\n```", begin);
    return text.substr(begin + 1, end == std::string::npos ? end : end - begin);
  }

  const CompleteSettings& s_;
  const Ui& ui_;
  const LoadedModel& model_;
  const RecordContext& context_;
  bool harmless_;
  std::unique_ptr<Output> out_;
  std::string prefix_;
  bool echoed_ = false;
  std::int64_t ok_ = 0, failed_ = 0;
};

// A line about how far it is, on a terminal, after half a second and ten times a second at most.
class ProgressLine {
 public:
  explicit ProgressLine(bool wanted) : wanted_(wanted) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void draw(std::int64_t done) {
    const Clock::time_point now = Clock::now();
    if (!wanted_ || now < next_) return;
    next_ = now + std::chrono::milliseconds(100);
    const double seconds = std::chrono::duration<double>(now - start_).count();
    put(fmt::format("\r\x1b[K{} done, {:.1f} a second", done, static_cast<double>(done) / seconds));
    drawn_ = true;
  }
  void clear() {
    if (std::exchange(drawn_, false)) put("\r\x1b[K");
  }

 private:
  static void put(const std::string& text) {
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
  }
  bool wanted_, drawn_ = false;
  Clock::time_point start_ = Clock::now(), next_ = start_ + std::chrono::milliseconds(500);
};

class Complete {
 public:
  int main(int argc, char** argv) {
    Program program = complete_program(s_, standard_);
    return run_program(program, standard_, kCompleteManual, argc, argv,
                       [&](const Ui& ui) { return run(program, ui); });
  }

 private:
  int run(const Program& program, const Ui& ui) {
    if (s_.list_models) return print(model_list(model_places(s_.model_path), s_.json));
    const bool edits_stdin = s_.filter && s_.operands.empty() && s_.prompt.empty();
    if (!edits_stdin || ui.stdin_tty) check_settings();
    if (nothing_to_read(ui)) {
      ui.say(kTool,
             "nothing to complete: give text on standard input, with -p, or in a file\n" +
                 help_text(program, true),
             -1);
      return 2;
    }
    return edits_stdin ? run_filter(ui) : complete(ui);
  }

  static int print(const std::string& text) {
    const auto out = open_stdout();
    out->write(text);
    out->close();
    return 0;
  }

  void check_settings() const {
    const auto refuse = [](const char* why) { fail(ErrorKind::usage, "{}", why); };
    if (s_.deterministic && s_.time_limit_ms > 0)
      refuse("--time-limit lets the clock decide, which --deterministic forbids");
    if (!s_.cursor.empty() && !s_.suffix.empty())
      refuse("--cursor and --suffix both say what stands behind");
    if (s_.request_lines() && (!s_.prompt.empty() || !s_.suffix.empty() || !s_.cursor.empty() ||
                               s_.chat || !s_.files_from.empty()))
      refuse(
          "requests bring their own texts: no -p, --suffix, --cursor, --chat or --files-from "
          "beside them");
    if (s_.records() && (s_.echo || s_.filter || s_.extract))
      refuse("--echo, --filter and --extract are for text, not for records");
    const bool many = s_.operands.size() > 1 || !s_.files_from.empty();
    if (many && !s_.records())
      refuse("more than one file wants --json, so that the answers can be told apart");
    if (s_.summary && !s_.records()) refuse("--summary wants --json or --jsonl: it is a record");
    if (s_.answers > 1 && !s_.records()) refuse("more than one answer wants --json or --jsonl");
    if (s_.output != "-" && !s_.force)
      for (const std::string& path : {s_.output, s_.output + ".partial"})
        if (std::error_code ignored; std::filesystem::exists(path, ignored))
          fail(ErrorKind::usage, "{} exists; -f replaces it", escaped(path));
  }

  bool nothing_to_read(const Ui& ui) const {
    return ui.stdin_tty && s_.operands.empty() && s_.prompt.empty() && s_.prefix_file.empty() &&
           s_.files_from.empty();
  }

  // Whatever goes wrong once the command line is read, the editor's text stays.
  int run_filter(const Ui& ui) {
    const std::string text = read_stdin();
    s_.prompt = text.starts_with('@') ? "@" + text : text;
    if (text.empty()) return 0;
    try {
      check_settings();
      return complete(ui);
    } catch (const Error& e) {
      print(text);
      if (ui.verbosity > 0) throw;
      return exit_status(e.kind());
    }
  }

  int complete(const Ui& ui) {
    const auto start = Clock::now();
    const auto backend =
        open_backend(s_.device, {.threads = static_cast<int>(s_.threads), .cpu_isa = s_.cpu_isa});
    const std::string name = s_.model.empty() ? kShippedModel : s_.model;
    const LoadedModel model = load_model_with_text(
        *backend, name, find_model(name, model_places(s_.model_path)),
        {.dtype = s_.dtype, .use_mmap = !s_.no_mmap, .data_dir = data_folder()});
    ui.say(kTool,
           fmt::format("{}: {}, loaded in {:.0f} ms", escaped(name), model.quant,
                       milliseconds_since(start)),
           1);
    const CompletionRequest defaults = request_of(s_, model);
    const auto source = s_.request_lines() ? line_source(s_, defaults) : text_source(s_, defaults);
    const RecordContext context = record_context(s_, model, s_.device == "ref" ? "ref" : "cpu");
    Printer printer(s_, ui, model, context);
    work(*backend, model, *source, printer, ui);
    printer.close(caught_signal() != 0);
    return printer.failed() > 0 ? 1 : 0;
  }

  void work(Backend& backend, const LoadedModel& model, Source& source, Printer& printer,
            const Ui& ui) {
    ProgressLine progress(ui.progress && s_.records() && (!ui.stdout_tty || s_.output != "-"));
    Completer completer(
        backend, model,
        {.batch_size = s_.batch_size, .max_inflight = s_.max_inflight, .unordered = s_.unordered});
    struct Started {
      ItemSource item;
      Clock::time_point at;
    };
    std::map<std::int64_t, Started> items;  // by index, until their result is written
    std::int64_t count = 0, done = 0;
    Completer::Callbacks callbacks;
    callbacks.next = [&](CompletionRequest& request, bool may_wait) {
      const std::int64_t most = s_.fail_fast ? 1 : s_.max_errors;
      if (most > 0 && printer.failed() >= most) return Completer::Next::end;
      ItemSource item;
      const Completer::Next what = source.next(request, item, may_wait);
      if (what == Completer::Next::request) {
        printer.started(request);
        items[count++] = {std::move(item), Clock::now()};
      }
      return what;
    };
    callbacks.done = [&](CompletionResult&& result) {
      progress.clear();
      const auto found = items.find(result.index);
      found->second.item.timing_ms = milliseconds_since(found->second.at);
      printer.done(result, found->second.item);
      items.erase(found);
      progress.draw(++done);
    };
    if (printer.streams()) callbacks.stream = [&](std::string_view text) { printer.stream(text); };
    callbacks.interrupted = [&] {
      progress.draw(done);
      return caught_signal() != 0;
    };
    completer.run(callbacks);
  }

  static double milliseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  }

  CompleteSettings s_;
  StandardOptions standard_;
};

}  // namespace
}  // namespace r1

int main(int argc, char** argv) { return r1::Complete().main(argc, argv); }
