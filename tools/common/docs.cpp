#include "tools/common/docs.h"

#include <algorithm>

#include <fmt/format.h>

#include "lib/base/error.h"

namespace r1 {
namespace {

std::vector<std::string> groups_of(const Program& program) {
  std::vector<std::string> groups;
  for (const Option& o : program.options)
    if (!o.hidden && std::find(groups.begin(), groups.end(), o.group) == groups.end())
      groups.push_back(o.group);
  return groups;
}

// "-n, --max-tokens N"
std::string names(const Option& o) {
  std::string out = o.letter != '\0' ? fmt::format("-{}, --{}", o.letter, o.name)
                                     : fmt::format("    --{}", o.name);
  if (!is_switch(o)) out += " " + o.metavar;
  return out;
}

// The sentence, the words allowed and the default.
std::string sentence(const Option& o) {
  std::string out = o.help;
  if (!o.choices.empty()) out += fmt::format(" One of {}.", fmt::join(o.choices, ", "));
  if (!is_switch(o) && !o.built_in.empty() && o.unit != Option::Unit::milliseconds)
    out += fmt::format(" ({})", o.built_in);
  return out;
}

void append_wrapped(std::string& out, const std::string& text, std::size_t indent,
                    std::size_t width) {
  std::size_t column = indent;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (column + end - at > width && column > indent) {
      out.pop_back();  // the space before the break
      out += "\n" + std::string(indent, ' ');
      column = indent;
    }
    out += text.substr(at, end - at);
    column += end - at;
    at = end;
    if (at < text.size()) {
      out += ' ';
      ++column;
      ++at;
    }
  }
  while (out.ends_with(' ')) out.pop_back();
  out += '\n';
}

// Text for groff: a backslash and a dash are escaped, a leading dot or quote is no request.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string man_options(const Program& program) {
  std::string out;
  for (const std::string& group : groups_of(program)) {
    out += fmt::format(".SS {}\n", group);
    for (const Option& o : program.options) {
      if (o.hidden || o.group != group) continue;
      out += ".TP\n\\fB";
      if (o.letter != '\0') out += fmt::format("\\-{}\\fR, \\fB", o.letter);
      out += roff("--" + o.name) + "\\fR";
      if (!is_switch(o)) out += fmt::format(" \\fI{}\\fR", roff(o.metavar));
      out += "\n" + roff(sentence(o)) + "\n";
    }
  }
  return out;
}

constexpr const char* kDone = R"(.TP
.B 0
All done; what was skipped counts as done.
)";
constexpr const char* kSomeFailed = R"(.TP
.B 1
Some items failed, or a check that was asked for did.
)";
constexpr const char* kOtherStatus = R"(.TP
.B 2
The command line or the configuration is wrong; nothing was started.
.TP
.B 3
It could not run: the model, the device or the memory.
.TP
.B 4
An output could not be written.
.TP
.B 129, 130, 141, 143
Ended by SIGHUP, SIGINT, SIGPIPE or SIGTERM.
)";

void replace(std::string& text, const std::string& mark, const std::string& with) {
  if (const std::size_t at = text.find(mark); at != std::string::npos)
    text.replace(at, mark.size(), with);
}

bool takes_models(const Program& program) {
  return program.operands_complete == Option::Completes::model;
}

// Of names in bash, where : begins a new word.
std::string bash_models(const Program& program) {
  return fmt::format(
      "mapfile -t COMPREPLY < <(compgen -W \"$({} --list-models 2>/dev/null)\" -- \"$cur\"; "
      "compgen -f -- \"$cur\")\n"
      "      [ \"$(type -t __ltrim_colon_completions)\" = function ] && "
      "__ltrim_colon_completions \"$cur\"",
      program.name);
}

std::string bash(const Program& program) {
  std::string words, values;
  for (const Option& o : program.options) {
    if (o.hidden) continue;
    words += " --" + o.name;
    if (o.letter != '\0') words += fmt::format(" -{}", o.letter);
    if (is_switch(o)) continue;
    std::string pattern = "--" + o.name;
    if (o.letter != '\0') pattern += fmt::format("|-{}", o.letter);
    std::string reply;
    if (!o.choices.empty())
      reply = fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$cur\"))", fmt::join(o.choices, " "));
    if (o.completes == Option::Completes::file)
      reply = "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")";
    if (o.completes == Option::Completes::directory)
      reply = "mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")";
    if (o.completes == Option::Completes::text_or_file)
      reply = "[[ $cur != @* ]] || mapfile -t COMPREPLY < <(compgen -P @ -f -- \"${cur#@}\")";
    if (o.completes == Option::Completes::model) reply = bash_models(program);
    if (reply.empty()) reply = "COMPREPLY=()";
    values += fmt::format("    {})\n      {}\n      return ;;\n", pattern, reply);
  }
  std::string function = program.name;
  std::replace(function.begin(), function.end(), '-', '_');
  return fmt::format(
      "# bash completion for {0}; written by {0} --generate bash\n"
      "_{1}() {{\n"
      "  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}\n"
      "  case $prev in\n{2}  esac\n"
      "  case $cur in\n"
      "    -*) COMPREPLY=($(compgen -W '{3}' -- \"$cur\")) ;;\n"
      "    *) {4} ;;\n"
      "  esac\n}}\n"
      "complete -o filenames -F _{1} {0}\n",
      program.name, function, values, words.substr(1),
      takes_models(program) ? bash_models(program)
                            : "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")");
}

// A sentence inside single quotes of a shell, without what would end them.
std::string quoted(std::string text, const std::string& drop) {
  std::erase_if(text, [&](char c) { return c == '\'' || drop.find(c) != std::string::npos; });
  return text;
}

std::string zsh(const Program& program) {
  std::string lines;
  for (const Option& o : program.options) {
    if (o.hidden) continue;
    std::string action;
    if (!is_switch(o)) {
      action = ":" + o.metavar + ":";
      if (!o.choices.empty()) action += fmt::format("({})", fmt::join(o.choices, " "));
      if (o.completes == Option::Completes::file) action += "_files";
      if (o.completes == Option::Completes::directory) action += "_files -/";
      if (o.completes == Option::Completes::model)
        action += fmt::format("($({} --list-models 2>/dev/null))", program.name);
    }
    const std::string help = quoted(o.help, "[]:");
    const auto line = [&](const std::string& name, const std::string& glue) {
      lines += fmt::format("  '*{}{}[{}]{}' \\\n", name, is_switch(o) ? "" : glue, help, action);
    };
    line("--" + o.name, "=");
    if (o.letter != '\0') line(fmt::format("-{}", o.letter), "+");
  }
  const std::string operands =
      takes_models(program)
          ? fmt::format("*:model:{{ _files; compadd -- $({} --list-models 2>/dev/null) }}",
                        program.name)
          : "*:file:_files";
  return fmt::format(
      "#compdef {0}\n# zsh completion for {0}; written by {0} --generate zsh\n_arguments -s -S "
      "\\\n{1}  '{2}'\n",
      program.name, lines, operands);
}

std::string fish(const Program& program) {
  std::string out =
      fmt::format("# fish completion for {0}; written by {0} --generate fish\n", program.name);
  for (const Option& o : program.options) {
    if (o.hidden) continue;
    out += fmt::format("complete -c {} -l {}", program.name, o.name);
    if (o.letter != '\0') out += fmt::format(" -s {}", o.letter);
    if (!is_switch(o))
      out += o.completes == Option::Completes::file || o.completes == Option::Completes::directory
                 ? " -r"
                 : " -x";
    if (!o.choices.empty()) out += fmt::format(" -a '{}'", fmt::join(o.choices, " "));
    if (o.completes == Option::Completes::model)
      out += fmt::format(" -a '({} --list-models 2>/dev/null)'", program.name);
    out += fmt::format(" -d '{}'\n", quoted(o.help, ""));
  }
  if (takes_models(program))
    out += fmt::format("complete -c {0} -a '({0} --list-models 2>/dev/null)'\n", program.name);
  return out;
}

}  // namespace

std::string help_text(const Program& program, bool brief) {
  constexpr std::size_t kColumn = 32, kWidth = 100;
  std::string out = fmt::format("{}: {}\n\nusage: {} {}\n", program.name, program.summary,
                                program.name, program.synopsis);
  for (const std::string& group : groups_of(program)) {
    std::string lines;
    for (const Option& o : program.options) {
      if (o.hidden || o.group != group || (brief && !o.brief)) continue;
      std::string line = "  " + names(o);
      if (line.size() + 2 > kColumn)
        line += "\n" + std::string(kColumn, ' ');
      else
        line.resize(kColumn, ' ');
      lines += line;
      append_wrapped(lines, sentence(o), kColumn, kWidth);
    }
    if (!lines.empty()) out += fmt::format("\n{}\n{}", group, lines);
  }
  out += brief ? fmt::format("\nAll options: {} --help. The manual: man {}\n", program.name,
                             program.name)
               : fmt::format(
                     "\nExit status: 0 done, {}2 wrong usage, 3 could not run, 4 could not "
                     "write.\n",
                     program.works_on_items ? "1 some items failed, " : "");
  return out;
}

std::string man_page(const Program& program, const std::string& prose) {
  std::string out = prose;
  replace(out, "@OPTIONS@\n", man_options(program));
  const std::string some = program.works_on_items ? kSomeFailed : "";
  replace(out, "@EXIT_STATUS@\n", kDone + some + kOtherStatus);
  return out;
}

std::string completion(const Program& program, const std::string& shell) {
  if (shell == "bash") return bash(program);
  if (shell == "zsh") return zsh(program);
  return fish(program);
}

}  // namespace r1
