#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/common/options.h"

namespace r1 {

// Options that make the tool print something of its own and end.
bool answers_itself(const Option& option);

// The configuration files that are read, where --config says `choice`.
std::vector<std::string> config_files(const std::string& choice);

// Sets the options of a program from one place after the other; the later place counts. What it is
// given outlives it.
class Settings {
 public:
  Settings(const Program& program, const std::vector<Given>& given);

  // `choice`: that of --config. Fails with `usage`.
  void from_config(const std::string& choice);
  void from_environment();
  void from_command_line();

  // "; --type is from c.toml:2" for each option in `message` that neither we nor the command line
  // set.
  std::string origins(const std::string& message) const;
  std::string json() const;  // --print-config

 private:
  void read_config(const std::string& path);
  bool gives_way(const Option& option) const;
  bool is_of_another_tool(const std::string& key) const;
  const Option& option_named(const std::string& key, const std::string& where) const;

  static constexpr const char *kBuiltIn = "built in", *kCommandLine = "command line";

  const Program& program_;
  const std::vector<Given>& given_;  // on the command line
  std::map<const Option*, std::string> sources_;
};

}  // namespace r1
