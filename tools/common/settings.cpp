#include "tools/common/settings.h"

#include <algorithm>
#include <filesystem>
#include <regex>
#include <variant>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/paths.h"
#include "tools/common/config_file.h"
#include "tools/common/config_keys.h"
#include "tools/common/inputs.h"
#include "tools/common/ui.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

std::string shown(const Option& o) { return "--" + o.name; }

// Is the default one that no value says?
bool is_in_words(const Option& o) {
  return !is_switch(o) && !o.built_in.empty() && o.built_in != value_text(o);
}

// Times are milliseconds, sizes bytes; a share is a word, as "80%".
void add_value(JsonWriter& w, const Option& o) {
  if (auto* const* flag = std::get_if<bool*>(&o.into)) {
    w.boolean(**flag);
  } else if (auto* const* integer = std::get_if<std::int64_t*>(&o.into)) {
    const bool share = o.unit == Option::Unit::bytes_or_share && **integer < 0;
    share ? w.string(value_text(o)) : w.integer(**integer);
  } else if (auto* const* real = std::get_if<double*>(&o.into)) {
    w.number(**real);
  } else if (auto* const* text = std::get_if<std::string*>(&o.into)) {
    w.string(**text);
  } else {
    w.begin_array();
    for (const std::string& one : *std::get<std::vector<std::string>*>(o.into)) w.string(one);
    w.end_array();
  }
}

}  // namespace

bool answers_itself(const Option& o) {
  return o.name == "help" || o.name == "version" || o.name == "generate" ||
         o.name == "print-config";
}

Settings::Settings(const Program& program, const std::vector<Given>& given)
    : program_(program), given_(given) {
  for (const Option& o : program.options) sources_[&o] = kBuiltIn;
}

std::vector<std::string> config_files(const std::string& choice) {
  if (choice == "none") return {};
  if (!choice.empty()) return {choice};
  const std::string home = environment("XDG_CONFIG_HOME");
  const fs::path user = !home.empty() ? fs::path(home) : fs::path(environment("HOME")) / ".config";
  std::vector<std::string> files;
  for (const fs::path& path : {fs::path("/etc/xdg/r1/config.toml"), user / "r1/config.toml"})
    // A relative one would be a file of the working directory, which is not trusted.
    if (path.is_absolute() && is_there(path)) files.push_back(path.string());
  return files;
}

void Settings::from_config(const std::string& choice) {
  for (const std::string& path : config_files(choice)) read_config(path);
}

void Settings::from_environment() {
  for (const Option& o : program_.options) {
    if (o.environment.empty() || gives_way(o)) continue;
    const std::string value = environment(o.environment);
    if (value.empty()) continue;
    set_value(o, value, o.environment, true);
    sources_[&o] = o.environment;
  }
}

void Settings::from_command_line() {
  std::map<const Option*, int> times;
  for (const auto& [option, value] : given_) {
    const bool first = times[option]++ == 0;
    auto* const* count = std::get_if<std::int64_t*>(&option->into);
    if (count != nullptr && is_switch(*option))
      **count = times[option];
    else
      set_value(*option, is_switch(*option) ? "true" : value, shown(*option), first);
    if (option->on_command_line != nullptr) *option->on_command_line = true;
    sources_[option] = kCommandLine;
  }
}

std::string Settings::origins(const std::string& message) const {
  std::string text;
  for (const auto& [option, source] : sources_) {
    const std::regex name("--" + option->name + "(?![a-z-])");
    // A model is named without its option.
    const bool is_model =
        option->completes == Option::Completes::model &&
        message.find("model " + escaped(value_text(*option))) != std::string::npos;
    if (source != kBuiltIn && source != kCommandLine &&
        (is_model || std::regex_search(message, name)))
      text += fmt::format("; {} is from {}", shown(*option), escaped(source));
  }
  return text;
}

std::string Settings::json() const {
  JsonWriter w;
  w.begin_object();
  for (const Option& o : program_.options) {
    if (o.hidden || answers_itself(o)) continue;
    const std::string& source = sources_.at(&o);
    const bool open = source == kBuiltIn && is_in_words(o);
    w.key(o.name).begin_object().key("value");
    open ? void(w.null()) : add_value(w, o);
    w.key("source").string(open ? source + ": " + o.built_in : source).end_object();
  }
  return w.end_object().text();
}

void Settings::read_config(const std::string& path) {
  for (const ConfigEntry& e : parse_config(named_file(path, 1 << 20), path)) {
    const std::string where = fmt::format("{}:{}: {}", escaped(path), e.line, e.key);
    if (e.table != "common" && e.table != program_.name) continue;
    if (e.table == "common" && is_of_another_tool(e.key)) continue;
    const Option& o = option_named(e.key, where);
    if (gives_way(o)) continue;
    const bool list = std::holds_alternative<std::vector<std::string>*>(o.into);
    if (e.is_list != list)
      fail(ErrorKind::usage, "{} wants {}", where, list ? "a list" : "one value");
    for (const std::string& value : e.values)
      if (!o.config_refuses.empty() && value == o.config_refuses)
        fail(ErrorKind::usage, "{} cannot be {} by a configuration file", where, value);
    if (list) std::get<std::vector<std::string>*>(o.into)->clear();  // also for an empty one
    for (const std::string& value : e.values) set_value(o, value, where, false);
    sources_[&o] = fmt::format("{}:{}", path, e.line);
  }
}

bool Settings::gives_way(const Option& o) const {
  return std::any_of(given_.begin(), given_.end(), [&](const Given& g) {
    return std::find(o.gives_way_to.begin(), o.gives_way_to.end(), g.option->name) !=
           o.gives_way_to.end();
  });
}

bool Settings::is_of_another_tool(const std::string& key) const {
  const auto has_name = [&](const Option& o) { return o.name == key; };
  return is_config_key(key) &&
         std::none_of(program_.options.begin(), program_.options.end(), has_name);
}

const Option& Settings::option_named(const std::string& key, const std::string& where) const {
  for (const Option& o : program_.options)
    if (o.name == key && !o.hidden) {
      if (!o.in_config) fail(ErrorKind::usage, "{} cannot be set by a configuration file", where);
      return o;
    }
  fail(ErrorKind::usage, "{} is no option{}", where, nearest_option(program_, key));
}

}  // namespace r1
