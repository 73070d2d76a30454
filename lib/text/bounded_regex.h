#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"

namespace r1 {

// A regular expression of PCRE2, whoever wrote it: matching takes no more than so many steps and so
// much memory.
class BoundedRegex {
 public:
  enum class Text {
    bytes,
    unicode  // valid UTF-8; ^ and $ stand for the ends of lines
  };
  struct Errors {
    std::string name;         // of the expression, in messages
    ErrorKind wrong, bounds;  // for what does not compile; for what reaches its bounds
  };
  BoundedRegex(std::string_view pattern, Text text, Errors errors);

  struct Match {
    std::size_t begin = 0, end = 0;
  };
  // Every match that is not empty, first to last.
  std::vector<Match> matches(std::string_view text) const;
  bool fits(std::string_view text) const;  // is there any, empty or not?

 private:
  struct Compiled;

  Errors errors_;
  std::shared_ptr<const Compiled> compiled_;  // it never changes, and copies have it in common
};

}  // namespace r1
