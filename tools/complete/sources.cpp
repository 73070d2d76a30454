#include "tools/complete/sources.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <deque>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "tools/common/inputs.h"
#include "tools/complete/input_digest.h"
#include "tools/complete/requests.h"

namespace r1 {
namespace {

constexpr std::size_t kLongestName = 4096;  // no path that can be opened has more bytes

int open_to_read(const std::string& path) {
  if (path == "-") return STDIN_FILENO;
  if (std::error_code none; std::filesystem::is_directory(path, none))
    fail(ErrorKind::usage, "{} is a directory, not a file of lines", escaped(path));
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(ErrorKind::usage, "{}: {}", escaped(path), std::strerror(errno));
  return fd;  // open until the process ends: it is read to its end
}

// How many lines a file has of which so many make up this share; 0 when the share is not known.
std::int64_t estimate(std::int64_t count, double share) {
  return share > 0 ? std::llround(static_cast<double>(count) / share) : 0;
}

class Texts : public Source {
 public:
  Texts(const CompleteSettings& s, CompletionRequest defaults, Choice& choice)
      : settings_(s),
        defaults_(std::move(defaults)),
        choice_(choice),
        names_(s.operands.begin(), s.operands.end()) {
    if (!s.prefix_file.empty()) names_.push_back(s.prefix_file);
    if (!s.files_from.empty())
      open_list();
    else if (names_.empty())
      name_none();
  }

  Completer::Next next(CompletionRequest& request, ItemSource& item, bool may_wait) override {
    do {
      if (names_.empty() && list_ != nullptr && !read_list(may_wait))
        return Completer::Next::not_yet;
      if (names_.empty()) return Completer::Next::end;
      name_ = names_.front();
      names_.pop_front();
    } while (!prepare(request, item));
    return Completer::Next::request;
  }

  std::int64_t expected() const override {
    if (list_ != nullptr) return estimate(count_, list_->share());
    return count_ + static_cast<std::int64_t>(names_.size());
  }

 private:
  // What is completed when the command line names no file.
  void name_none() {
    prompt_alone_ = settings_.prompt_given;
    if (prompt_alone_ || !choice_.only_failed()) {
      names_.emplace_back(prompt_alone_ ? "" : "-");
      return;
    }
    for (const std::string& path : choice_.failed_paths()) choice_.keep(path);
    names_.assign(choice_.failed_paths().begin(), choice_.failed_paths().end());
  }

  // Where results may replace files, all names are read before the first result is there.
  void open_list() {
    list_ = std::make_unique<LineReader>(open_to_read(settings_.files_from),
                                         shown_input(settings_.files_from),
                                         settings_.nul ? '\0' : '\n', kLongestName);
    if (!choice_.may_replace()) return;
    for (std::string name; list_->next(name, true) == LineReader::State::line;) {
      if (name.empty()) continue;
      choice_.keep(whole_name(name));
      names_.push_back(name);
    }
    list_ = nullptr;
  }

  // False when the item is to be left out.
  bool prepare(CompletionRequest& request, ItemSource& item) {
    request = defaults_;
    item = {};
    if (name_ != "-") item.path = name_;
    if (!item.path.empty()) request.id = path_id(item.path);
    const std::string id = item.path.empty() ? std::to_string(count_) : request.id;
    ++count_;
    std::string text;
    try {
      Choice::Verdict verdict = choice_.judge_name(item, id);
      if (verdict == Choice::Verdict::skip) item.bytes = size_of(item.path);
      if (settings_.dry_run && name_ == "-") return true;  // not read for that
      if (verdict == Choice::Verdict::run) {
        text = read(name_);
        item.bytes = text.size();
        text += settings_.prompt;
        if (prompt_alone_) item.bytes = text.size();
        set_text(request, text, settings_);
        item.digest = input_digest(request);
        verdict = choice_.judge_question(item, id);
      }
      request.skip = verdict == Choice::Verdict::skip;
      return verdict != Choice::Verdict::drop;
    } catch (const Error& e) {
      request.messages.clear();
      request.suffix.reset();
      request.prefix = text;  // what an editor gets back
      request.broken = e;
    }
    return true;
  }
  static std::uintmax_t size_of(const std::string& path) {
    std::error_code unknown;
    const std::uintmax_t bytes = std::filesystem::file_size(path, unknown);
    return unknown ? 0 : bytes;
  }

  std::string read(const std::string& name) const {
    if (prompt_alone_) return {};
    if (name == "-") return read_dash();
    if (name.empty()) fail(ErrorKind::not_found, "an empty name names no file");
    if (std::error_code ignored; std::filesystem::is_directory(name, ignored))
      fail(ErrorKind::usage, "{} is a directory", escaped(name));
    return read_file(name);
  }
  std::string read_dash() const {
    if (settings_.files_from == "-")
      fail(ErrorKind::usage, "standard input is the list, and no text of it; a file - is ./-");
    return read_stdin();
  }
  // A name with a NUL would be opened under what stands before it.
  const std::string& whole_name(const std::string& name) const {
    if (name.find('\0') != std::string::npos)
      fail(ErrorKind::usage, "{}: names that end in NUL want -0",
           shown_input(settings_.files_from));
    return name;
  }
  // False when no name has arrived yet.
  bool read_list(bool may_wait) {
    std::string line;
    while (names_.empty()) {
      const LineReader::State state = list_->next(line, may_wait);
      if (state != LineReader::State::line) return state == LineReader::State::end;
      if (!line.empty()) names_.push_back(whole_name(line));
    }
    return true;
  }

  const CompleteSettings& settings_;
  CompletionRequest defaults_;
  Choice& choice_;
  std::deque<std::string> names_;
  std::string name_;           // the one at hand
  bool prompt_alone_ = false;  // and nothing is read
  std::int64_t count_ = 0;
  std::unique_ptr<LineReader> list_;
};

class RequestLines : public Source {
 public:
  RequestLines(const CompleteSettings& s, CompletionRequest defaults, Choice& choice)
      : defaults_(std::move(defaults)),
        choice_(choice),
        name_(s.operands.empty() || s.operands[0] == "-" ? "" : s.operands[0]),
        lines_(open_to_read(name_.empty() ? "-" : name_), shown_input(name_), '\n'),
        openai_(s.openai_batch),
        deterministic_(s.deterministic) {}

  Completer::Next next(CompletionRequest& request, ItemSource& item, bool may_wait) override {
    std::string line;
    do {
      const LineReader::State state = lines_.next(line, may_wait);
      if (state == LineReader::State::not_yet) return Completer::Next::not_yet;
      if (state == LineReader::State::end) return Completer::Next::end;
      ++line_;
    } while (line.find_first_not_of(" \t\r") == std::string::npos || !prepare(line, request, item));
    return Completer::Next::request;
  }

  std::int64_t expected() const override { return estimate(count_, lines_.share()); }

 private:
  // False when the request is to be left out.
  bool prepare(const std::string& line, CompletionRequest& request, ItemSource& item) {
    item = {};
    item.bytes = line.size();
    request = openai_ ? read_openai_request(line, defaults_, item.warnings)
                      : read_request(line, defaults_, item.warnings);
    item.place =
        name_.empty() ? fmt::format("line {}", line_) : fmt::format("{}:{}", escaped(name_), line_);
    if (!request.broken && deterministic_ && request.time_limit_ms > 0)
      request.broken = Error(ErrorKind::usage,
                             "time_limit_ms lets the clock decide, which --deterministic forbids");
    if (request.broken)
      request.broken = Error(request.broken->kind(), item.place + ": " + request.broken->what());
    else
      item.digest = input_digest(request);
    const std::string number = std::to_string(count_++);
    const std::string id = request.id.empty() ? number : request.id;
    Choice::Verdict verdict = choice_.judge_name(item, id);
    if (verdict == Choice::Verdict::run) verdict = choice_.judge_question(item, id);
    if (choice_.only_failed()) request.id = id;  // places shift when others are left out
    request.skip = verdict == Choice::Verdict::skip;
    return verdict != Choice::Verdict::drop;
  }

  CompletionRequest defaults_;
  Choice& choice_;
  std::string name_;  // of the file; empty: standard input
  LineReader lines_;
  bool openai_, deterministic_;
  std::int64_t count_ = 0, line_ = 0;
};

}  // namespace

std::unique_ptr<Source> text_source(const CompleteSettings& settings, CompletionRequest defaults,
                                    Choice& choice) {
  return std::make_unique<Texts>(settings, std::move(defaults), choice);
}

std::unique_ptr<Source> line_source(const CompleteSettings& settings, CompletionRequest defaults,
                                    Choice& choice) {
  if (settings.operands.size() > 1) fail(ErrorKind::usage, "requests are read from one file");
  return std::make_unique<RequestLines>(settings, std::move(defaults), choice);
}

}  // namespace r1
