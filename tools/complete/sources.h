#pragma once

#include <memory>
#include <string>

#include "lib/tasks/completion.h"
#include "tools/complete/records.h"
#include "tools/complete/settings.h"

namespace r1 {

// Hands out what is to be completed, one by one, with where each came from.
class Source {
 public:
  virtual ~Source() = default;
  // As Completer::Callbacks::next: without `may_wait` it never blocks.
  virtual Completer::Next next(CompletionRequest& request, ItemSource& item, bool may_wait) = 0;
};

// Texts: standard input, -p, files, a list of files. A file that cannot be read is a broken
// request.
std::unique_ptr<Source> text_source(const CompleteSettings& settings, CompletionRequest defaults);
// Request lines of the one operand, or of standard input. Fails with `usage` for more operands.
std::unique_ptr<Source> line_source(const CompleteSettings& settings, CompletionRequest defaults);

}  // namespace r1
