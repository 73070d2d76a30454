#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace r1 {

class Error;

// Where results go. Every failure is `write` (exit 4) with the target's name; nothing is lost
// silently. A destroyed Output that was not closed leaves no file behind.
class Output {
 public:
  virtual ~Output() = default;
  virtual void write(std::string_view text) = 0;
  virtual void flush() = 0;
  virtual void close() = 0;  // flushes, checks, and makes a file appear whole under its name
};

// Standard output. EPIPE ends quietly by SIGPIPE's default action; EBADF and a full disk fail.
std::unique_ptr<Output> open_stdout();
// Did a write fail because nobody reads any more? Known where SIGPIPE is ignored.
bool is_broken_pipe(const Error& error);
// A file that appears whole or not at all: a temporary beside it (.r1-XXXXXX.tmp, locked), fsync,
// rename, fsync of the folder. The first in a folder removes what killed runs left there.
std::unique_ptr<Output> open_file(const std::filesystem::path& path);
// Is this the name of such a temporary?
bool is_temporary(const std::string& name);
// A pipe, a terminal or another device, by its name: there is nothing to appear whole. So is a file
// that is open under a name such as /dev/stderr: what is written goes to its end.
bool is_device(const std::filesystem::path& path);
std::unique_ptr<Output> open_device(const std::filesystem::path& path);
// A journal of records: lines go to PATH.partial, which becomes PATH at `close`. Broken off, the
// partial file stays, if anything was written. One `write` a call.
std::unique_ptr<Output> open_journal(const std::filesystem::path& path);
// A file that grows by one `write` a call, from nothing or, if not `anew`, from what is there. It
// stays, however far it came.
std::unique_ptr<Output> open_growing(const std::filesystem::path& path, bool anew = true);

}  // namespace r1
