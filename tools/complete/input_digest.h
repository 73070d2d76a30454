#pragma once

#include <string>

#include "lib/tasks/completion.h"

namespace r1 {

// Names what is asked: the texts themselves, never the names of their files, and the options that a
// request may bring. With the recipe it decides whether an earlier answer still answers it.
std::string input_digest(const CompletionRequest& request);  // 16 hexadecimal digits

}  // namespace r1
