#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace r1 {

// Lines of a descriptor as they arrive. Waiting ends early when a signal comes. `name` is what
// errors call it. Of a line of more than `most` bytes one more than these is handed out and the
// rest passed over: what takes at most as many refuses that line, and goes on with the next.
class LineReader {
 public:
  LineReader(int descriptor, std::string name, char separator,
             std::size_t most = std::size_t{256} << 20)
      : descriptor_(descriptor), name_(std::move(name)), separator_(separator), most_(most) {}

  enum class State { line, not_yet, end };
  // The next line without its separator. Without `wait`, `not_yet` when no whole line is there.
  State next(std::string& line, bool wait);
  // Which share of a regular file the lines so far were, in (0, 1]; 0 when that cannot be known.
  double share() const;

 private:
  bool take(std::string& line);

  int descriptor_;
  std::string name_;
  char separator_;
  std::size_t most_;
  std::string buffer_;
  std::size_t begin_ = 0;    // of buffer_: where the next line begins
  std::size_t scanned_ = 0;  // of buffer_: no separator from begin_ to here
  std::uint64_t read_ = 0;   // bytes
  bool at_end_ = false;
};

// All bytes of standard input. Fails with `interrupted` when a signal comes first, and with `limit`
// over 1 GiB.
std::string read_stdin();

// All of a file that an option names, of at most so many bytes. Fails with `usage`.
std::string named_file(const std::string& path, std::size_t most = std::size_t{256} << 20);

// What errors call an input: "standard input" where it is "-" or has no name.
std::string shown_input(const std::string& name);

// `TEXT` as it is, `@F` the file F, `@@…` a literal @. Fails as `named_file` does.
std::string text_or_file(const std::string& argument);

}  // namespace r1
