#include "tools/common/signals.h"

#include <csignal>
#include <initializer_list>

#include <unistd.h>

#include "lib/base/error.h"

namespace r1 {
namespace {

volatile std::sig_atomic_t caught = 0;

void note(int signal_number) {
  if (caught != 0) ::_exit(128 + signal_number);
  caught = signal_number;
}

}  // namespace

void watch_signals() {
  ::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error of the write, as a full disk
  for (const int s : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction old {};
    ::sigaction(s, nullptr, &old);
    if (old.sa_handler == SIG_IGN) continue;
    struct sigaction action {};
    action.sa_handler = note;  // without SA_RESTART: a read that waits comes back
    ::sigaction(s, &action, nullptr);
  }
}

int caught_signal() { return caught; }

void stop_when_interrupted(std::string_view goes_on) {
  if (caught != 0) fail(ErrorKind::interrupted, "interrupted{}", goes_on);
}

void end_by_signal(int signal_number) {
  ::signal(signal_number, SIG_DFL);
  ::raise(signal_number);
  ::_exit(128 + signal_number);
}

}  // namespace r1
