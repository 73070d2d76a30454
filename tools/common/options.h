#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace r1 {

// One command-line option. The table a tool fills with these is the only place an option is
// described: parsing, -h, --help, --print-config, the man page and the completions all read it.
struct Option {
  std::string name;    // "temperature", without the dashes
  char letter = '\0';  // 't', or none
  std::string group;   // heading in the help: "Generation"
  // Where the value goes; what stands there is the default. A switch is a bool, or an integer that
  // counts how often it was given.
  std::variant<bool*, std::int64_t*, double*, std::string*, std::vector<std::string>*> into;
  std::string metavar;                    // "FILE"; empty for a switch
  std::string help;                       // one full sentence
  std::vector<std::string> choices = {};  // when only some words will do
  bool any_case = false;                  // Q4_K_M is q4_k_m
  double least = -1e18, most = 1e18;      // of a number
  // "250ms 30s 2h", "64K 2M 1G", the same or "80%": a share is read as minus its percentage.
  enum class Unit { none, milliseconds, bytes, bytes_or_share } unit = Unit::none;
  enum class Completes {
    nothing,
    file,
    text_or_file,
    directory,
    model
  } completes = Completes::nothing;
  bool brief = false;     // stands in -h as well
  bool hidden = false;    // for tests: in no help, page or completion
  bool in_config = true;  // may a config file set it?
  // Options that contradict this one: with one of them on the command line, what the configuration
  // or the environment says of this one is not meant.
  std::vector<std::string> gives_way_to = {};
  // Other options without all of which, or without one of these values of them, this one would
  // change nothing: on the command line it is then a mistake.
  struct Want {
    std::string option;
    std::vector<std::string> values = {};
  };
  std::vector<Want> wants = {};
  // Options beside any of which this one would change nothing: the same.
  std::vector<std::string> idle_with = {};
  std::string config_refuses = {};  // the one value that no config file may give it
  std::string environment = {};     // "R1_THREADS"
  bool* given = nullptr;            // set when the value does not come from us
  bool* on_command_line = nullptr;  // set when it stands there
  std::string built_in = {};        // the default in words; empty: run_program notes the value
};

struct Program {
  std::string name;      // "r1-complete"
  std::string summary;   // one line, lower case, no full stop
  std::string synopsis;  // "[OPTIONS] [FILE…|-]"
  std::vector<Option> options;
  bool works_on_items = false;  // of which some may fail: status 1
  std::vector<std::string>* operands = nullptr;
  Option::Completes operands_complete = Option::Completes::file;  // or model
  // The switch with which standard input comes back as it is, without a word, when the command line
  // or the configuration is wrong: an editor's text stays.
  std::string gives_back = {};
};

// Reads the command line into the table: no abbreviations, no clever guesses.
// Options and operands may be mixed; `--` ends the options. The last one of a scalar counts.
// Fails with `usage`. `given` holds the options that were given, in order, with their values.
struct Given {
  const Option* option = nullptr;
  std::string value;  // empty for a switch
};
std::vector<Given> parse_command_line(const Program& program,
                                      const std::vector<std::string>& arguments);

// Puts a value where the option wants it. Fails with `usage`, naming the option as `shown`.
// The first value of a list replaces its default (`first`), later ones are added.
void set_value(const Option& option, std::string_view value, std::string_view shown, bool first);

// A whole decimal number; fails with `usage` and the name of the option.
std::int64_t parse_integer(std::string_view text, std::string_view shown);
std::optional<double> number_in(std::string_view text);  // a decimal fraction, or nothing

// "; did you mean --suffix?" where an option has a name like this one, "; here that is --suffix"
// where other programs call it so; else empty.
std::string nearest_option(const Program& program, std::string_view name);

// For settings that contradict each other: fails with `usage`, and says why.
void refuse_if(bool wrong, const char* why);

// Fails with `usage` for an option on the command line that lacks what it wants, stands beside what
// leaves it nothing to change, or names a file by nothing, once all are set.
void check_given(const Program& program, const std::vector<Given>& given);

bool is_switch(const Option& option);
// The value as the option's own words: "0.8", "true"; empty when there is none.
std::string value_text(const Option& option);

}  // namespace r1
