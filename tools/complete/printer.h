#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "lib/base/output.h"
#include "tools/common/resumed_journal.h"
#include "tools/common/ui.h"
#include "tools/complete/choice.h"
#include "tools/complete/records.h"
#include "tools/complete/settings.h"

namespace r1 {

// Writes results: text as it is made, a file an input, or a record a line; complaints go to stderr.
class Printer {
 public:
  Printer(const CompleteSettings& settings, const Ui& ui, const LoadedModel& model,
          const RecordContext& context, const Choice& choice);

  bool streams() const;  // is text to be handed to `stream` as it is made?
  void started(const CompletionRequest& request) { prefix_ = request.prefix; }
  void stream(std::string_view text);
  void done(CompletionResult&& result, const ItemSource& item);
  // Broken off, records stay in FILE.partial; the file of a text that failed does not appear.
  void close(bool interrupted, bool ended_early);

  std::int64_t failed() const { return failed_; }
  bool disk_full() const { return disk_full_; }
  int exit_status() const { return lost_ ? 4 : failed_ > 0 ? 1 : 0; }

 private:
  void open();
  void write(std::string_view text);
  void write_record(const CompletionResult& result, const ItemSource& item);
  void store(CompletionResult& result, const ItemSource& item);
  void warn(std::string_view text) const;
  void explain(CompletionResult& result) const;
  void complain(const CompletionResult& result, const ItemSource& item) const;
  void say_interrupted() const;
  void finish_text(const CompletionResult& result);
  void write_unchanged(const CompletionRequest& request);
  std::string text_of(const CompletionResult& result) const;

  const CompleteSettings& s_;
  const Ui& ui_;
  const LoadedModel& model_;
  const RecordContext& context_;
  const Choice& choice_;
  bool harmless_;
  std::unique_ptr<Output> out_;
  std::unique_ptr<ResumedJournal> resumed_;  // in place of out_, with --resume
  std::string prefix_;
  bool appears_whole_ = true;  // the output, at its end
  bool echoed_ = false, lost_ = false, disk_full_ = false;
  std::int64_t ok_ = 0, failed_ = 0, skipped_ = 0, interrupted_ = 0;
  std::set<std::string> warned_;
};

}  // namespace r1
