#include "tools/complete/conflicts.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/output.h"
#include "tools/common/options.h"
#include "tools/common/results.h"
#include "tools/common/targets.h"

namespace r1 {
namespace {

// A list that is not there would read as a mistake of the other options. It is not opened: that
// would take the words out of a pipe.
void check_lists(const CompleteSettings& s) {
  for (const std::string& list : {s.files_from, s.only_failed}) {
    if (list.empty() || list == "-") continue;
    if (::access(list.c_str(), R_OK) != 0)
      fail(ErrorKind::usage, "{}: {}", escaped(list), std::strerror(errno));
  }
}

void check_input(const CompleteSettings& s) {
  refuse_if(s.deterministic && s.time_limit_ms > 0,
            "--time-limit lets the clock decide, which --deterministic forbids");
  refuse_if(!s.cursor.empty() && s.suffix_given,
            "--cursor and --suffix both say what stands behind");
  refuse_if(s.cursor_given && s.cursor.empty(), "--cursor wants a mark, and '' is none");
  refuse_if(std::find(s.stop.begin(), s.stop.end(), "") != s.stop.end(),
            "--stop wants a text, and '' is none");
  refuse_if(s.chat && (s.suffix_given || !s.cursor.empty() || !s.extra.empty() || s.echo),
            "--chat asks a question: no --suffix, --cursor, --extra or --echo beside it");
  refuse_if(
      s.filter && (s.chat || !(s.names_nothing() || s.operands == std::vector<std::string>{"-"})),
      "--filter completes the text on standard input: no file, -p, list or --chat beside it");
  refuse_if(s.files_from == "-" && s.has_dash(),
            "the list and a text of it cannot both be standard input");
  refuse_if(s.jsonl && s.openai_batch, "--jsonl and --openai-batch are two forms of requests");
  refuse_if(s.request_lines() && (s.prompt_given || s.suffix_given || !s.cursor.empty() || s.chat ||
                                  !s.prefix_file.empty() || !s.files_from.empty()),
            "requests bring their own texts: no -p, --prefix-file, --suffix, --cursor, --chat or "
            "--files-from beside them");
}

void check_form(const CompleteSettings& s) {
  refuse_if(s.records() && (s.echo || s.filter || s.extract) && !s.stores(),
            "--echo, --filter and --extract are for text, not for records");
  const bool tells_apart = s.records() || s.stores();
  refuse_if(!s.only_failed.empty() && !tells_apart,
            "--only-failed wants what the run before had: --jsonl, or --json, -O or -w");
  refuse_if(!s.files_from.empty() && !tells_apart,
            "--files-from wants --json, -O or -w, so that the answers can be told apart");
  refuse_if(s.operands.size() + (s.prefix_file.empty() ? 0 : 1) > 1 && !tells_apart,
            "more than one file wants --json, -O or -w, so that the answers can be told apart");
  refuse_if(s.openai_batch && (s.timing || s.logprobs >= 0),
            "the lines of a batch file have no place for --timing and --logprobs");
}

void check_places(const CompleteSettings& s) {
  refuse_if(s.sidecar && !s.output_folder.empty(), "-O and -w both say where results go");
  refuse_if(s.stores() && s.output != "-" && !s.records(),
            "-o beside -O or -w is for records, and wants --json");
  refuse_if(s.stores() && (s.request_lines() || s.filter || (s.prompt_given && !s.names_files())),
            "-O and -w are for files; requests, -p alone and --filter have no names to store "
            "results under");
  refuse_if(s.force && s.if_exists_given && s.if_exists != "overwrite",
            "-f overwrites, and --if-exists says otherwise");
  refuse_if(s.sidecar_ext.empty() || s.sidecar_ext.find('/') != std::string::npos,
            "--sidecar-ext is the ending of a name, such as .txt");
  refuse_if(s.resume && s.openai_batch,
            "--resume wants --json or --jsonl: a batch file's records do not say what was asked");
  refuse_if(s.resume && (s.output == "-" || !s.records()),
            "--resume goes on with records in a file: -o FILE, and --json or --jsonl");
  refuse_if(s.resume && s.force, "-f begins anew, and --resume goes on");
}

std::vector<std::string> outputs_of(const CompleteSettings& s) {
  std::vector<std::string> outputs = {s.output};
  if (s.records() && !s.resume) outputs.push_back(s.output + ".partial");
  Targets targets({s.output_folder, s.sidecar, s.sidecar_ext});
  if (targets.wanted())
    for (const std::string& name : s.operands)
      if (name != "-") outputs.push_back(targets.place_of(name).string());
  return outputs;
}

}  // namespace

std::vector<std::string> inputs_of(const CompleteSettings& s) {
  std::vector<std::string> inputs = {s.prefix_file, s.files_from, s.only_failed, s.adapter};
  for (const std::string& text : {s.prompt, s.suffix, s.system})
    if (text.starts_with('@')) inputs.push_back(text.substr(1));
  inputs.insert(inputs.end(), s.operands.begin(), s.operands.end());
  inputs.insert(inputs.end(), s.extra.begin(), s.extra.end());
  return inputs;
}

void check(const CompleteSettings& s, const std::vector<std::string>& others) {
  check_lists(s);
  check_input(s);
  check_form(s);
  check_places(s);
  keep_inputs(outputs_of(s), inputs_of(s));
  keep_inputs(outputs_of(s), others);
  if (s.output == "-") return;
  if (std::error_code none; std::filesystem::is_directory(s.output, none))
    fail(ErrorKind::usage, "-o {} is a directory; -O writes one file an input below it",
         escaped(s.output));
  refuse_if(s.resume && is_device(s.output), "--resume wants a file that keeps its records");
  if (s.force || s.resume) return;
  if (const std::string path = in_the_way(s.output); !path.empty())
    fail(ErrorKind::usage, "{} exists; -f replaces it{}", escaped(path),
         s.records() && !s.openai_batch ? ", --resume goes on with its records" : "");
}

void keep_model(const CompleteSettings& s, const std::filesystem::path& model) {
  keep_inputs(outputs_of(s), {model.string()});
}

}  // namespace r1
