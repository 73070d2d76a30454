#pragma once

#include <string_view>

namespace r1 {

// SIGINT, SIGTERM, SIGHUP: the first is noted, so that the run can end in order; a second one ends
// the process at once. A signal that was ignored when we started stays ignored.
void watch_signals();
int caught_signal();  // 0: none
// Fails with `interrupted` when there is one; `goes_on` says how what was done is gone on with.
void stop_when_interrupted(std::string_view goes_on = "");
// Ends this process by the signal, so that a shell and make see it.
[[noreturn]] void end_by_signal(int signal_number);

}  // namespace r1
