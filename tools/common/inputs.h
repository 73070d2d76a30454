#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

// Lines of a descriptor as they arrive. Waiting ends early when a signal comes.
class LineReader {
 public:
  LineReader(int descriptor, char separator) : descriptor_(descriptor), separator_(separator) {}

  enum class State { line, not_yet, end };
  // The next line without its separator. Without `wait`, `not_yet` when no whole line is there.
  State next(std::string& line, bool wait);
  // Which share of a regular file the lines so far were, in (0, 1]; 0 when that cannot be known.
  double share() const;

 private:
  bool take(std::string& line);

  int descriptor_;
  char separator_;
  std::string buffer_;
  std::size_t scanned_ = 0;  // of buffer_: holds no separator
  std::uint64_t read_ = 0;   // bytes
  bool at_end_ = false;
};

// All bytes of standard input. Fails with `interrupted` when a signal comes first, and with `limit`
// over 1 GiB.
std::string read_stdin();

// `TEXT` as it is, `@F` the file F, `@@…` a literal @. Fails as reading F does.
std::string text_or_file(const std::string& argument);

}  // namespace r1
