#include "tools/complete/printer.h"

#include <filesystem>
#include <utility>

#include "lib/base/utf8.h"
#include "tools/common/results.h"
#include "tools/complete/fenced_block.h"

namespace r1 {
namespace {

// "file.py: what was wrong".
std::string with_place(const ItemSource& item, const std::string& what) {
  const std::string where = item.path.empty() ? item.place : escaped(item.path);
  return where.empty() || what.starts_with(where) ? what : where + ": " + what;
}

bool ends_on_terminal(const std::string& output, const Ui& ui) {
  return output == "-" ? ui.stdout_tty : is_device(output) && Ui::is_terminal(output);
}

}  // namespace

Printer::Printer(const CompleteSettings& s, const Ui& ui, const LoadedModel& model,
                 const RecordContext& context, const Choice& choice)
    : s_(s),
      ui_(ui),
      model_(model),
      context_(context),
      choice_(choice),
      harmless_(s.sanitize || (ends_on_terminal(s.output, ui) && !choice.stores())) {
  open();
}

void Printer::open() {
  appears_whole_ = s_.output != "-" && !is_device(s_.output);
  if (s_.resume)
    resumed_ = std::make_unique<ResumedJournal>(s_.output, choice_.kept());
  else
    out_ = open_results(s_.output, s_.records(), s_.force);
}

bool Printer::streams() const {
  return !s_.records() && !s_.no_stream && !s_.filter && !s_.extract && !choice_.stores();
}

void Printer::write(std::string_view text) {
  out_->write(harmless_ ? harmless(text) : std::string(text));
}

void Printer::stream(std::string_view text) {
  if (s_.echo && !std::exchange(echoed_, true)) write(prefix_);
  write(text);
  ui_.line_open = !text.ends_with('\n');
  out_->flush();
}

void Printer::done(CompletionResult&& result, const ItemSource& item) {
  if (!item.kept.empty()) {
    ++ok_;
    resumed_->add_kept(result.index, item.kept);
    return;
  }
  if (!item.target.empty() && !result.error && !result.request.skip) store(result, item);
  ++(result.error ? failed_ : result.request.skip ? skipped_ : ok_);
  if (result.error) {
    explain(result);
    if (result.error->kind() == ErrorKind::interrupted)
      ++interrupted_;
    else
      complain(result, item);
  }
  for (const std::string& warning : result.warnings) warn(with_place(item, warning));
  if (s_.openai_batch)  // its records have no place for them
    for (const std::string& warning : item.warnings)
      if (warned_.insert(warning).second)
        warn(fmt::format("{}: {}; the same is not said again", item.place, warning));
  if (s_.records()) {
    write_record(result, item);
  } else if (choice_.stores()) {
    return;
  } else if (!result.error) {
    finish_text(result);
  } else if (s_.filter) {
    write_unchanged(result.request);
  }
}

void Printer::warn(std::string_view text) const { ui_.say(context_.tool, text, s_.filter ? 1 : 0); }

void Printer::write_record(const CompletionResult& result, const ItemSource& item) {
  const std::string line = record_line(result, item, context_, *model_.tokenizer);
  if (resumed_) return resumed_->add(result.index, line);
  out_->write(line);
  out_->flush();
}

// A result that cannot be stored is an item that failed; on a full disk nothing more is begun.
void Printer::store(CompletionResult& result, const ItemSource& item) {
  try {
    const std::string text = text_of(result);
    choice_.targets().write(item.target, harmless_ ? harmless(text) : text);
  } catch (const Error& e) {
    result.error = e;
    lost_ |= e.kind() == ErrorKind::write;
    std::error_code unknown;
    const auto folder = std::filesystem::absolute(item.target).parent_path();
    disk_full_ |= std::filesystem::space(folder, unknown).available == 0 && !unknown;
  }
}

// Names the option that helps.
void Printer::explain(CompletionResult& result) const {
  const Error& e = *result.error;
  if (e.kind() == ErrorKind::timeout)
    result.error = Error(e.kind(), "it took longer than --timeout allows");
  if (e.kind() == ErrorKind::too_long && !result.request.fit && result.request.messages.empty())
    result.error = Error(
        e.kind(), std::string(e.what()) + "; --fit leaves out what is farthest from the caret");
}

void Printer::complain(const CompletionResult& result, const ItemSource& item) const {
  ui_.say(context_.tool, with_place(item, result.error->what()), s_.filter ? 1 : -1);
}

std::string Printer::text_of(const CompletionResult& result) const {
  const std::string& text = result.answers[0].text;
  const CompletionRequest& r = result.request;
  const std::string answer = s_.extract ? fenced_block(text) : text;
  return s_.echo || s_.filter ? r.prefix + answer + r.suffix.value_or("") : answer;
}

// What streaming has not written yet.
void Printer::finish_text(const CompletionResult& result) {
  const Answer& answer = result.answers[0];
  if (ui_.verbosity > 0 && !answer.reasoning.empty())
    ui_.say(context_.tool, "reasoning: " + harmless(answer.reasoning), 1);
  if (!streams()) return write(text_of(result));
  if (!s_.echo) return;
  if (!echoed_) write(result.request.prefix);
  write(result.request.suffix.value_or(""));
}

// On failure an editor's text stays as it was.
void Printer::write_unchanged(const CompletionRequest& r) {
  out_->write(r.messages.empty() ? r.prefix : r.messages.back().content);
  if (s_.cursor.empty() || !r.suffix) return;  // that of --suffix was not in the text
  out_->write(s_.cursor);
  out_->write(*r.suffix);
}

void Printer::say_interrupted() const {
  const bool goes_on = s_.output != "-" && s_.records() && !s_.openai_batch;
  ui_.say(context_.tool,
          fmt::format("interrupted{}{}",
                      interrupted_ > 1 ? fmt::format(", {} requests under way", interrupted_) : "",
                      goes_on ? "; --resume goes on with what is done" : ""),
          s_.filter ? 1 : -1);
}

void Printer::close(bool interrupted, bool ended_early) {
  if (choice_.stores() && skipped_ > 0)
    warn(fmt::format("{} result{} already; --if-exists overwrite makes {} again", skipped_,
                     skipped_ == 1 ? " exists" : "s exist", skipped_ == 1 ? "it" : "them"));
  if (interrupted && interrupted_ > 0) say_interrupted();
  const std::string summary = s_.summary && s_.records()
                                  ? summary_line(ok_, failed_, skipped_, interrupted)
                                  : std::string();
  if (resumed_) {
    if (!interrupted) resumed_->close(choice_.unclaimed(ended_early), summary);
    return;
  }
  out_->write(summary);
  const bool text_failed = !s_.records() && !s_.filter && failed_ > 0;
  if (!appears_whole_ || !(interrupted || text_failed)) out_->close();
}

}  // namespace r1
