#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace r1 {

// What went wrong, as users and records see it. The list is closed; r1(7) documents each.
enum class ErrorKind {
  usage,        // the options make no sense, for the run or for one item
  not_found,    // no such input
  perm,         // not allowed to read it
  format,       // not a format we read
  truncated,    // the input ends too early
  decode,       // the input is damaged
  limit,        // over a size limit
  too_long,     // longer than the model's context
  oom_cpu,      // this item alone does not fit in memory
  oom_gpu,      // the same on the device
  device,       // the device failed, or there is none
  model,        // the model lacks what is needed, or failed its checks
  write,        // the result could not be stored
  timeout,      // over --timeout
  interrupted,  // a signal came while it was being worked on
  internal,     // our mistake
};

std::string_view code(ErrorKind kind);  // "E_MODEL"
bool retryable(ErrorKind kind);         // would the same item again have a chance?
int exit_status(ErrorKind kind);        // of a run that ends with it: usage 2, write 4, else 3

// What a user can cause. Caught once, in `run_program` of tools/common, or per item in lib/tasks.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// The text names the thing, what it is and what was wanted; no full stop. Names that come from
// files go through `escaped` first.
template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

// What body() gives. Whatever is wrong with a file that the user named is wrong usage.
template <typename Body>
auto as_usage(const Body& body) {
  try {
    return body();
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::interrupted) throw;
    throw Error(ErrorKind::usage, e.what());
  }
}

// A name from a file or a path made harmless for a message: control bytes, DEL, C1, bidirectional
// controls and bytes that are not UTF-8 become \t, \n, \xNN or \u202e; a backslash becomes \\.
// At most 200 bytes; what is cut off ends in "…".
std::string escaped(std::string_view name);

}  // namespace r1
