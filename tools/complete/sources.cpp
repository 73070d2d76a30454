#include "tools/complete/sources.h"

#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "tools/common/inputs.h"
#include "tools/complete/requests.h"

namespace r1 {
namespace {

int open_to_read(const std::string& path) {
  if (path == "-") return STDIN_FILENO;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(ErrorKind::usage, "{}: {}", escaped(path), std::strerror(errno));
  return fd;  // open until the process ends: it is read to its end
}

class Texts : public Source {
 public:
  Texts(const CompleteSettings& s, CompletionRequest defaults)
      : settings_(s), defaults_(std::move(defaults)), names_(s.operands.begin(), s.operands.end()) {
    if (!s.prefix_file.empty()) names_.push_back(s.prefix_file);
    if (!s.files_from.empty())
      list_ = std::make_unique<LineReader>(open_to_read(s.files_from), s.nul ? '\0' : '\n');
    else if (names_.empty())
      names_.emplace_back(s.prompt.empty() ? "-" : "");  // -p alone opens nothing
  }

  Completer::Next next(CompletionRequest& request, ItemSource& item, bool may_wait) override {
    if (names_.empty() && list_ != nullptr && !read_list(may_wait)) return Completer::Next::not_yet;
    if (names_.empty()) return Completer::Next::end;
    const std::string name = names_.front();
    names_.pop_front();
    request = defaults_;
    if (name != "-") item.path = name;
    std::string text;
    try {
      text = read(name);
      item.bytes = text.size();
      if (!settings_.prompt.empty()) text += text_or_file(settings_.prompt);
      set_text(request, text, settings_);
    } catch (const Error& e) {
      request = defaults_;
      request.prefix = text;  // what an editor gets back
      request.broken = e;
    }
    return Completer::Next::request;
  }

 private:
  static std::string read(const std::string& name) {
    if (name.empty()) return {};
    if (name == "-") return read_stdin();
    if (std::error_code ignored; std::filesystem::is_directory(name, ignored))
      fail(ErrorKind::usage, "{} is a directory", escaped(name));
    return read_file(name);
  }
  // False when no name has arrived yet.
  bool read_list(bool may_wait) {
    std::string line;
    while (names_.empty()) {
      const LineReader::State state = list_->next(line, may_wait);
      if (state != LineReader::State::line) return state == LineReader::State::end;
      if (!line.empty()) names_.push_back(line);
    }
    return true;
  }

  const CompleteSettings& settings_;
  CompletionRequest defaults_;
  std::deque<std::string> names_;
  std::unique_ptr<LineReader> list_;
};

class RequestLines : public Source {
 public:
  RequestLines(const CompleteSettings& s, CompletionRequest defaults)
      : defaults_(std::move(defaults)),
        lines_(open_to_read(s.operands.empty() ? "-" : s.operands[0]), '\n'),
        openai_(s.openai_batch) {}

  Completer::Next next(CompletionRequest& request, ItemSource& item, bool may_wait) override {
    std::string line;
    do {
      const LineReader::State state = lines_.next(line, may_wait);
      if (state == LineReader::State::not_yet) return Completer::Next::not_yet;
      if (state == LineReader::State::end) return Completer::Next::end;
    } while (line.find_first_not_of(" \t\r") == std::string::npos);
    item.bytes = line.size();
    request = openai_ ? read_openai_request(line, defaults_, item.warnings)
                      : read_request(line, defaults_, item.warnings);
    return Completer::Next::request;
  }

 private:
  CompletionRequest defaults_;
  LineReader lines_;
  bool openai_;
};

}  // namespace

std::unique_ptr<Source> text_source(const CompleteSettings& settings, CompletionRequest defaults) {
  return std::make_unique<Texts>(settings, std::move(defaults));
}

std::unique_ptr<Source> line_source(const CompleteSettings& settings, CompletionRequest defaults) {
  if (settings.operands.size() > 1) fail(ErrorKind::usage, "requests are read from one file");
  return std::make_unique<RequestLines>(settings, std::move(defaults));
}

}  // namespace r1
