// Settings that contradict each other.
#include <filesystem>

#include "lib/base/error.h"
#include "lib/base/paths.h"
#include "tools/bench/ranges.h"
#include "tools/bench/table.h"
#include "tools/common/options.h"
#include "tools/common/results.h"

namespace r1 {
namespace {

void check_what(const BenchSettings& s) {
  const int kinds = int{s.hardware} + int{s.serve} + int{s.compare} + int{!s.ops.empty()} +
                    int{!s.quality.empty()};
  refuse_if(kinds > 1,
            "--ops, --hardware, --serve, --quality and --compare are different things to do");
  refuse_if(s.hardware && !s.models.empty(), "--hardware looks at the machine, and takes no -m");
  refuse_if(!s.ops.empty() && !s.models.empty(), "--ops looks at the backend, and takes no -m");
  refuse_if(s.compare && !s.models.empty(), "--compare reads two files, and takes no -m");
  refuse_if(s.compare && s.operands.size() != 2, "--compare wants two files, OLD and NEW");
  refuse_if(s.compare && s.operands[0] == "-" && s.operands[1] == "-",
            "--compare wants two files, and both are standard input");
  if (!s.compare && !s.operands.empty())
    fail(ErrorKind::usage, "there is no place for '{}'; models are named with -m",
         escaped(s.operands[0]));
  refuse_if(s.ops_given && s.ops.empty(), "--ops wants names of operations, such as 'linear*'");
}

void check_output(const BenchSettings& s) {
  refuse_if(int{s.json} + int{s.jsonl} + int{s.format_given} > 1,
            "--format, --json and --jsonl all say how results are written");
  refuse_if(s.compare && s.form() == "benchstat",
            "benchstat makes comparisons of its own; --compare has no such form");
  refuse_if(!s.quality.empty() && s.form() == "benchstat",
            "benchstat compares times; --quality has no such form");
  refuse_if(s.hardware && s.form() != "table" && s.form() != "json",
            "--hardware is text, or one document with --json");
  refuse_if(!s.plot.empty() && (s.compare || s.hardware || s.serve || !s.quality.empty()),
            "--plot draws tests: of models, operations or the machine");
  refuse_if(s.plot == "-" || is_same_place(s.plot, s.output) ||
                is_same_place(s.plot, s.output + ".partial"),
            "--plot wants a file of its own");
  for (const std::string& path : {s.output, s.plot})
    if (std::error_code none; std::filesystem::is_directory(path, none))
      fail(ErrorKind::usage, "{} is a directory", escaped(path));
  keep_inputs(s.outputs(), s.operands);
  keep_inputs(s.outputs(), {s.lengths, s.quality, s.adapter});
  for (const std::string& path : {s.output, s.plot.empty() ? std::string("-") : s.plot})
    if (const std::string old = in_the_way(path); !s.force && !old.empty())
      fail(ErrorKind::usage, "{} exists; -f replaces it", escaped(old));
  // The picture is drawn last: that there is no place for it should not cost an hour.
  if (!s.plot.empty() && !is_device(s.plot)) open_file(s.plot);
}

}  // namespace

// What a configuration says of the form is for where there is one.
std::string BenchSettings::form() const {
  const std::string said = json ? "json" : jsonl ? "jsonl" : format;
  const bool lacks =
      hardware ? said != "json" : (compare || !quality.empty()) && said == "benchstat";
  return lacks && !form_on_command_line ? "table" : said;
}

void check(const BenchSettings& s) {
  check_what(s);
  check_output(s);
  if (s.price_given) parse_price(s.price, "--price");
  constexpr std::int64_t kMostTokens = 10'000'000, kMostSequences = 1024;
  constexpr std::size_t kMostTests = 100'000;
  const std::size_t lengths =
      parse_ranges(s.prompt_tokens, "--prompt-tokens", 0, kMostTokens).size() +
      parse_ranges(s.max_tokens, "-n", 0, kMostTokens).size();
  const std::size_t tests = lengths * parse_ranges(s.depth, "--depth", 0, kMostTokens).size() *
                            parse_ranges(s.batch_size, "--batch-size", 1, kMostSequences).size();
  if (!s.models.empty() && tests > kMostTests)
    fail(ErrorKind::usage, "--prompt-tokens, -n, --depth and --batch-size make {} tests, over {}",
         tests, kMostTests);
}

}  // namespace r1
