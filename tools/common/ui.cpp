#include "tools/common/ui.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"

namespace r1 {

namespace {

// --color > NO_COLOR > CLICOLOR_FORCE > CLICOLOR=0 > TERM=dumb > is it a terminal?
bool wants_color(std::string_view choice, bool terminal) {
  if (choice != "auto") return choice == "always";
  if (!environment("NO_COLOR").empty()) return false;
  const std::string force = environment("CLICOLOR_FORCE");
  if (!force.empty() && force != "0") return true;
  return environment("CLICOLOR") != "0" && environment("TERM") != "dumb" && terminal;
}

// Messages follow messages: a file that begins otherwise was meant for something else.
bool may_follow(int file) {
  struct stat s {};
  if (::fstat(file, &s) != 0 || !S_ISREG(s.st_mode) || s.st_size == 0) return true;
  std::string begin(sizeof "2026-11-27T17:00:00Z r1-" - 1, '\0');
  const ssize_t got = ::pread(file, begin.data(), begin.size(), 0);
  if (got < 0) return true;  // not ours to read
  return begin.substr(19) == "Z r1-" && begin[4] == '-' && begin[10] == 'T';
}

}  // namespace

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text;
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

// A pipe is not opened: who reads of it would see it end.
bool Ui::is_terminal(const std::string& path) {
  struct stat s {};
  if (::stat(path.c_str(), &s) != 0 || !S_ISCHR(s.st_mode)) return false;
  const int file = ::open(path.c_str(), O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  const bool terminal = file >= 0 && ::isatty(file) != 0;
  if (file >= 0) ::close(file);
  return terminal;
}

Ui Ui::detect(int quiet, int verbose, bool no_progress, std::string_view color) {
  Ui ui;
  ui.stdin_tty = ::isatty(STDIN_FILENO) != 0;
  ui.stdout_tty = ::isatty(STDOUT_FILENO) != 0;
  ui.stderr_tty = ::isatty(STDERR_FILENO) != 0;
  ui.verbosity = verbose - quiet;
  ui.color = wants_color(color, ui.stderr_tty);
  ui.progress = ui.stderr_tty && !no_progress && ui.verbosity >= 0;
  ui.says_progress = !ui.stderr_tty && !no_progress;
  return ui;
}

void Ui::log_to(const std::string& file) {
  log = ::open(file.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (log < 0 && errno == EACCES)  // where one may write, and not read
    log = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (log < 0) fail(ErrorKind::write, "{}: {}", escaped(file), std::strerror(errno));
  if (!may_follow(log))
    fail(ErrorKind::usage, "{} is there, and is no log: messages are not written behind it",
         escaped(file));
}

void Ui::say(std::string_view tool, std::string_view line, int least) const {
  if (log >= 0) {
    const std::string text = fmt::format("{} {}[{}]: {}\n", utc_now(), tool, ::getpid(), line);
    if (::write(log, text.data(), text.size()) != std::ssize(text)) {
      log = -1;
      say(tool, fmt::format("--log-file: {}; what follows is not in it", std::strerror(errno)), 0);
    }
  }
  if (verbosity < least) return;
  std::string text = std::exchange(line_open, false) && stdout_tty && stderr_tty ? "\n" : "";
  text += color ? fmt::format("\x1b[1m{}:\x1b[0m {}\n", tool, line)
                : fmt::format("{}: {}\n", tool, line);
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

std::string environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::string() : value;
}

}  // namespace r1
