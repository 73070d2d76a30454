#pragma once

#include <string>
#include <string_view>

namespace r1 {

// What decides every decoration, found out once. Nothing else asks what a stream is.
struct Ui {
  bool stdin_tty = false, stdout_tty = false, stderr_tty = false;
  bool progress = false;       // may a line of progress be drawn on stderr?
  bool says_progress = false;  // where none is drawn: may one be said now and then, with -v?
  bool color = false;          // may messages on stderr be coloured?
  int verbosity = 0;           // -qq -2, -q -1, -v 1, -vv 2
  // Has text been written that does not end its line? On a terminal a message then begins a new
  // one.
  mutable bool line_open = false;
  mutable int log = -1;  // descriptor of --log-file, open until the end; -1: none, or not any more

  // `color`: auto, always or never.
  static Ui detect(int quiet, int verbose, bool no_progress, std::string_view color);
  static bool is_terminal(const std::string& path);
  // Every later message goes to the end of this file as well, whatever `verbosity` says, with the
  // time in UTC. Fails with `write`.
  void log_to(const std::string& file);
  // One line on stderr, if `verbosity` is at least `least`; a failed write is ignored.
  void say(std::string_view tool, std::string_view line, int least) const;
};

std::string utc_now();  // "2026-11-25T09:30:00Z"

// The value of an environment variable; empty when it is not set.
std::string environment(const std::string& name);

}  // namespace r1
