#pragma once

#include <memory>

#include "lib/tasks/completion.h"
#include "tools/complete/choice.h"
#include "tools/complete/records.h"
#include "tools/complete/settings.h"

namespace r1 {

// Hands out what is to be completed, one by one, with where each came from.
class Source {
 public:
  virtual ~Source() = default;
  // As Completer::Callbacks::next: without `may_wait` it never blocks.
  virtual Completer::Next next(CompletionRequest& request, ItemSource& item, bool may_wait) = 0;
  // How many there will be, as far as is known: exact for names, an estimate for lines of a file,
  // else 0.
  virtual std::int64_t expected() const = 0;
};

// Texts: standard input, -p, files, a list of files. A file that cannot be read is a broken
// request; one that `choice` skips is not opened.
std::unique_ptr<Source> text_source(const CompleteSettings& settings, CompletionRequest defaults,
                                    Choice& choice);
// Request lines of the one operand, or of standard input. Fails with `usage` for more operands.
std::unique_ptr<Source> line_source(const CompleteSettings& settings, CompletionRequest defaults,
                                    Choice& choice);

}  // namespace r1
