#pragma once

#include <functional>
#include <string>

#include "tools/common/options.h"
#include "tools/common/ui.h"

namespace r1 {

// What this build is.
struct BuildInfo {
  std::string version, commit;
  std::string compiler;    // "gcc 12.2.0"
  std::string cpu_levels;  // "baseline,avx2,avx2_vnni,avx512_vnni,avx512_fp16,avx512"
};
const BuildInfo& build_info();

// What every tool has: -h --help -V --generate --config --print-config -q -v --color --no-progress
// --log-file.
struct StandardOptions {
  bool brief_help = false, help = false, version = false, print_config = false;
  bool no_progress = false;
  std::int64_t quiet = 0, verbose = 0;
  std::string generate, config, color = "auto", log_file;
  const bool* json = nullptr;  // the tool's own --json, for --version
};
void add_standard_options(Program& program, StandardOptions& standard);

// Reads flags, environment and config file, answers what StandardOptions ask for,
// runs `body`, and turns any Error into one line on stderr and an exit status. `manual` is the
// prose of the man page. `body` returns 0, 1 when some items failed, or 4 when a
// result could not be stored.
int run_program(Program& program, StandardOptions& standard, const char* manual, int argc,
                char** argv, const std::function<int(const Ui&)>& body);

}  // namespace r1
