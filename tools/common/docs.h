#pragma once

#include <string>

#include "tools/common/options.h"

namespace r1 {

// All made from the option table. `brief` is the one screen of -h, the other is --help.
std::string help_text(const Program& program, bool brief);
// The man page: groff man(7). `prose` is man/NAME.1.in: sections in their order, with the lines
// @OPTIONS@ and @EXIT_STATUS@ where the generated parts go.
std::string man_page(const Program& program, const std::string& prose);
std::string completion(const Program& program, const std::string& shell);  // bash, zsh or fish

}  // namespace r1
