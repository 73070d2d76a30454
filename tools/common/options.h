#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace r1 {

// One command-line option. The table a tool fills with these is the only place an option is
// described: parsing, -h, --help, --print-config, the man page and the completions all read it.
struct Option {
  std::string name;    // "temperature", without the dashes
  char letter = '\0';  // 't', or none
  std::string group;   // heading in the help: "Generation"
  // Where the value goes; what stands there is the default. Numbers are decimal and checked
  // against `least` and `most`.
  std::variant<bool*, std::int64_t*, double*, std::string*, std::vector<std::string>*> into;
  std::string metavar;                    // "PATH"; empty for a switch
  std::string help;                       // one full sentence
  std::vector<std::string> choices = {};  // when only some words will do
  double least = 0, most = 1e18;          // of a number
  enum class Completes { nothing, file, directory, model } completes = Completes::nothing;
  bool in_help = true;    // false: in --help but not in the one screen of -h
  bool hidden = false;    // for tests
  bool in_config = true;  // may a config file set it?
  bool* given = nullptr;  // set when the option was given anywhere
};

struct Program {
  std::string name;      // "r1-complete"
  std::string summary;   // one line, lower case, no full stop
  std::string synopsis;  // "[OPTIONS] [FILE…|-]"
  std::vector<Option> options;
  std::vector<std::string>* operands = nullptr;
};

// Reads flags, environment and config file (TOOLS.md 1.9), answers -h, --help, -V, --generate and
// --print-config, runs `body`, and turns any Error into one line on stderr and an exit status.
// `body` returns the status of a run that did not fail as a whole (0 or 1).
int run_program(const Program& program, int argc, char** argv, const std::function<int()>& body);

}  // namespace r1
