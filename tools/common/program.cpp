#include "tools/common/program.h"

#include <algorithm>
#include <exception>
#include <new>
#include <optional>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "lib/backend/open_backend.h"
#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/output.h"
#include "tools/common/docs.h"
#include "tools/common/inputs.h"
#include "tools/common/results.h"
#include "tools/common/settings.h"
#include "tools/common/signals.h"

namespace r1 {
namespace {

std::string version_text(const Program& program, const StandardOptions& s) {
  const BuildInfo& build = build_info();
  const std::string cards = cuda_cards();
  if (s.quiet > 0) return build.version + "\n";
  if (s.json != nullptr && *s.json) {
    JsonWriter w;
    w.begin_object().key("tool").string(program.name).key("version").string(build.version);
    w.key("commit").string(build.commit).key("cpu").string(build.cpu_levels).key("cuda");
    if (cards.empty())
      w.null();
    else
      w.string(cards);
    w.end_object();
    return w.text() + "\n";
  }
  return fmt::format("{} {} ({}) lib {} cpu {} {}\n", program.name, build.version, build.commit,
                     build.version, build.cpu_levels, cards.empty() ? "no cuda" : "cuda " + cards);
}

// Text that the tool itself is asked for; empty when it is to work.
std::string asked_for(const Program& program, const StandardOptions& s, const Settings& settings,
                      const char* manual) {
  if (s.help || s.brief_help) return help_text(program, !s.help);
  if (s.version) return version_text(program, s);
  if (s.generate == "man") return man_page(program, manual);
  if (!s.generate.empty()) return completion(program, s.generate);
  if (s.print_config) return settings.json() + "\n";
  return {};
}

// What is closed fails as before, but no file that is opened later gets its number.
void keep_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(descriptor, F_GETFD) < 0)
      ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

// Help and version answer even when other settings are wrong.
bool given_alone(const std::vector<Given>& given) {
  for (const Given& g : given)
    if ((answers_itself(*g.option) && g.option->name != "print-config") || g.option->letter == 'h')
      return true;
  return false;
}

bool stands_in(const std::vector<std::string>& arguments, std::string_view option) {
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  return std::find(arguments.begin(), end, option) != end;
}

bool gives_back(const Program& program, const std::vector<std::string>& arguments) {
  return !program.gives_back.empty() && stands_in(arguments, "--" + program.gives_back) &&
         ::isatty(STDIN_FILENO) == 0;
}

bool asks_why(const std::vector<std::string>& arguments) {
  return stands_in(arguments, "-v") || stands_in(arguments, "-vv") ||
         stands_in(arguments, "--verbose");
}

// Standard input as it is; the exit status if that fails.
int after_copying_stdin() {
  try {
    const std::string text = read_stdin();
    const auto out = open_stdout();
    out->write(text);
    out->close();
    return 0;
  } catch (const Error& e) {
    return exit_status(e.kind());
  }
}

Ui ui_of(const StandardOptions& s) {
  Ui ui =
      Ui::detect(static_cast<int>(s.quiet), static_cast<int>(s.verbose), s.no_progress, s.color);
  if (!s.log_file.empty()) ui.log_to(s.log_file);
  return ui;
}

int run_body(Program& program, StandardOptions& standard, const char* manual,
             const std::vector<std::string>& arguments, std::optional<Ui>& ui,
             const std::function<int(const Ui&)>& body) {
  const std::vector<Given> given = parse_command_line(program, arguments);
  Settings settings(program, given);
  settings.from_command_line();  // once for --config; and again, because it counts most
  if (!given_alone(given)) {
    settings.from_config(standard.config);
    settings.from_environment();
    settings.from_command_line();
  }
  if (const std::string text = asked_for(program, standard, settings, manual); !text.empty()) {
    print_whole(text);
    return 0;
  }
  ui = ui_of(standard);
  try {
    check_given(program, given);
    return body(*ui);
  } catch (const Error& e) {
    throw Error(e.kind(), e.what() + settings.origins(e.what()));
  }
}

}  // namespace

const BuildInfo& build_info() {
#if defined(__clang__)
  static const BuildInfo build{R1_VERSION, R1_COMMIT, "clang " __clang_version__, R1_CPU_LEVELS};
#else
  static const BuildInfo build{R1_VERSION, R1_COMMIT, "gcc " __VERSION__, R1_CPU_LEVELS};
#endif
  return build;
}

void add_standard_options(Program& program, StandardOptions& s) {
  const std::string group = "This tool";
  std::vector<Option>& o = program.options;
  o.push_back({.name = "quiet",
               .letter = 'q',
               .group = group,
               .into = &s.quiet,
               .help = "No progress, notes or warnings; twice: nothing on standard error."});
  o.push_back({.name = "verbose",
               .letter = 'v',
               .group = group,
               .into = &s.verbose,
               .help = "Say which model, device and timing; twice: everything."});
  o.push_back({.name = "color",
               .group = group,
               .into = &s.color,
               .metavar = "WHEN",
               .help = "Colour messages on standard error.",
               .choices = {"auto", "always", "never"}});
  o.push_back({.name = "no-progress",
               .group = group,
               .into = &s.no_progress,
               .help = "Draw no line of progress on a terminal, and with -v say none elsewhere."});
  o.push_back({.name = "log-file",
               .group = group,
               .into = &s.log_file,
               .metavar = "FILE",
               .help = "Append all messages to this file, those of -vv too, each with its time.",
               .completes = Option::Completes::file,
               .in_config = false});
  o.push_back({.name = "config",
               .group = group,
               .into = &s.config,
               .metavar = "FILE",
               .help = "Read settings from this file; none reads no file.",
               .completes = Option::Completes::file,
               .in_config = false});
  o.push_back({.name = "print-config",
               .group = group,
               .into = &s.print_config,
               .help = "Print the settings in force and where each came from, as JSON.",
               .in_config = false});
  o.push_back({.name = "generate",
               .group = group,
               .into = &s.generate,
               .metavar = "WHAT",
               .help = "Print the man page or a shell's completions.",
               .choices = {"man", "bash", "zsh", "fish"},
               .in_config = false});
  o.push_back({.name = "version",
               .letter = 'V',
               .group = group,
               .into = &s.version,
               .help = "Print the version; with -q the number alone.",
               .in_config = false});
  o.push_back({.name = "brief-help",
               .letter = 'h',
               .group = group,
               .into = &s.brief_help,
               .help = "Print the options used most.",
               .hidden = true,
               .in_config = false});
  o.push_back({.name = "help",
               .group = group,
               .into = &s.help,
               .help = "Print all options; -h prints those used most.",
               .brief = true,
               .in_config = false});
}

int run_program(Program& program, StandardOptions& standard, const char* manual, int argc,
                char** argv, const std::function<int(const Ui&)>& body) {
  keep_standard_descriptors();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  for (Option& option : program.options)
    if (option.built_in.empty()) option.built_in = value_text(option);
  std::optional<Ui> ui;  // once the settings are read
  const auto complain = [&](std::string_view why) {
    if (!ui) ui = Ui::detect(static_cast<int>(standard.quiet), 0, true, standard.color);
    ui->say(program.name, why, -1);
  };
  int status = 3;
  bool lost = false;   // of what was done: that matters more than the signal it ended by
  bool begun = false;  // the body has standard input then
  const auto noted = [&](const Ui& of_run) {
    begun = true;
    return body(of_run);
  };
  try {
    watch_signals();
    guard_mappings(program.name);
    status = run_body(program, standard, manual, arguments, ui, noted);
  } catch (const Error& e) {
    status = exit_status(e.kind());
    lost = e.kind() == ErrorKind::write && !is_broken_pipe(e);
    const bool quiet = (status == 2 || !begun) && gives_back(program, arguments);
    if (!quiet || asks_why(arguments)) complain(e.what());
    if (quiet) status = std::max(status, after_copying_stdin());
  } catch (const std::bad_alloc&) {
    complain("out of memory");
  } catch (const std::exception& e) {
    complain(fmt::format("internal error: {}; please report it", escaped(e.what())));
  }
  if (const int signal_number = caught_signal(); signal_number != 0 && !lost)
    end_by_signal(signal_number);
  return status;
}

}  // namespace r1
