#include "tools/complete/table.h"

#include "tools/common/shared_options.h"

namespace r1 {
namespace {

using Completes = Option::Completes;

void add_input(std::vector<Option>& o, CompleteSettings& s) {
  const std::string g = "Input";
  o.push_back({.name = "prompt",
               .letter = 'p',
               .group = g,
               .into = &s.prompt,
               .metavar = "TEXT|@F",
               .help = "Complete this text; with - or FILE it follows what they hold.",
               .completes = Completes::text_or_file,
               .brief = true,
               .in_config = false,
               .given = &s.prompt_given});
  o.push_back({.name = "prefix-file",
               .group = g,
               .into = &s.prefix_file,
               .metavar = "F",
               .help = "Complete the text of this file.",
               .completes = Completes::file,
               .in_config = false});
  o.push_back({.name = "suffix",
               .group = g,
               .into = &s.suffix,
               .metavar = "TEXT|@F",
               .help = "Fill in between the text and this.",
               .completes = Completes::text_or_file,
               .brief = true,
               .in_config = false,
               .given = &s.suffix_given});
  o.push_back({.name = "cursor",
               .group = g,
               .into = &s.cursor,
               .metavar = "MARK",
               .help = "Fill in where this mark stands in the text.",
               .brief = true,
               .gives_way_to = {"suffix", "chat", "jsonl", "openai-batch"},
               .given = &s.cursor_given});
  o.push_back({.name = "extra",
               .group = g,
               .into = &s.extra,
               .metavar = "F",
               .help = "Another file to look at; may be given again.",
               .completes = Completes::file,
               .in_config = false});
  o.push_back(
      {.name = "chat",
       .group = g,
       .into = &s.chat,
       .help = "The text is a question: use the model's chat template.",
       .brief = true,
       .gives_way_to = {"suffix", "cursor", "extra", "echo", "filter", "jsonl", "openai-batch"}});
  o.push_back({.name = "system",
               .group = g,
               .into = &s.system,
               .metavar = "TEXT|@F",
               .help = "The system text of a chat.",
               .completes = Completes::text_or_file,
               .wants = {{"chat"}}});
}

void add_lists(std::vector<Option>& o, CompleteSettings& s) {
  const std::string g = "Input";
  o.push_back({.name = "jsonl",
               .group = g,
               .into = &s.jsonl,
               .help = "Read requests, one JSON object a line, and write records.",
               .brief = true,
               .in_config = false});
  o.push_back({.name = "openai-batch",
               .group = g,
               .into = &s.openai_batch,
               .help = "Read and write the lines of an OpenAI batch file.",
               .in_config = false});
  o.push_back({.name = "files-from",
               .group = g,
               .into = &s.files_from,
               .metavar = "FILE|-",
               .help = "Complete the files whose names stand here, one a line.",
               .completes = Completes::file,
               .in_config = false});
  o.push_back({.name = "null",
               .letter = '0',
               .group = g,
               .into = &s.nul,
               .help = "Names of --files-from end in NUL.",
               .in_config = false,
               .wants = {{"files-from"}}});
}

void add_generation(std::vector<Option>& o, CompleteSettings& s) {
  const std::string g = "Generation";
  o.push_back({.name = "max-tokens",
               .letter = 'n',
               .group = g,
               .into = &s.max_tokens,
               .metavar = "N",
               .help = "Stop after this many tokens.",
               .least = 0,
               .most = kMostTokens,
               .brief = true});
  o.push_back({.name = "stop",
               .group = g,
               .into = &s.stop,
               .metavar = "S",
               .help = "Stop before this text; may be given again.",
               .brief = true});
  o.push_back({.name = "stop-at",
               .group = g,
               .into = &s.stop_at,
               .metavar = "PLACE",
               .help = "Stop at the end of the line, or of the indented block.",
               .choices = {"line", "block"},
               .brief = true});
}

void add_sampling(std::vector<Option>& o, CompleteSettings& s) {
  const std::string g = "Generation";
  o.push_back({.name = "temperature",
               .group = g,
               .into = &s.temperature,
               .metavar = "X",
               .help = "How freely to draw; 0 takes the most likely token.",
               .least = 0,
               .most = 100,
               .brief = true,
               .given = &s.temperature_given});
  o.push_back({.name = "top-p",
               .group = g,
               .into = &s.top_p,
               .metavar = "X",
               .help = "Draw among the tokens that make up this share.",
               .least = 0,
               .most = 1,
               .given = &s.top_p_given});
  o.push_back({.name = "top-k",
               .group = g,
               .into = &s.top_k,
               .metavar = "N",
               .help = "Draw among this many tokens; 0 means all.",
               .least = 0,
               .most = kMostTokens,
               .given = &s.top_k_given});
  o.push_back({.name = "min-p",
               .group = g,
               .into = &s.min_p,
               .metavar = "X",
               .help = "Leave out tokens less likely than this share of the best.",
               .least = 0,
               .most = 1,
               .given = &s.min_p_given});
  o.push_back({.name = "repeat-penalty",
               .group = g,
               .into = &s.repeat_penalty,
               .metavar = "X",
               .help = "Make tokens of the last 64 less likely; 1 means no change.",
               .least = 0.001,
               .most = 1000});
  o.push_back({.name = "seed",
               .letter = 's',
               .group = g,
               .into = &s.seed,
               .metavar = "N",
               .help = "The same seed draws the same tokens.",
               .least = 0,
               .most = 9e18});
}

void add_answers(std::vector<Option>& o, CompleteSettings& s) {
  const std::string g = "Generation";
  o.push_back({.name = "answers",
               .letter = 'N',
               .group = g,
               .into = &s.answers,
               .metavar = "N",
               .help = "Answers to each request, drawn apart; more than one wants records.",
               .least = 1,
               .most = 1024,
               .wants = {{"json"}, {"jsonl"}, {"openai-batch"}}});
  o.push_back({.name = "no-heal",
               .group = g,
               .into = &s.no_heal,
               .help = "Go on behind the last token, even where the text cuts a word."});
  o.push_back({.name = "fit",
               .group = g,
               .into = &s.fit,
               .help = "Leave out what is farthest from the caret when the text is longer than the "
                       "model takes."});
  o.push_back({.name = "time-limit",
               .group = g,
               .into = &s.time_limit_ms,
               .metavar = "DUR",
               .help = "Stop each answer after this time.",
               .least = 0,
               .most = kLongestMs,
               .unit = Option::Unit::milliseconds,
               .gives_way_to = {"deterministic"}});
  o.push_back({.name = "timeout",
               .group = g,
               .into = &s.timeout_ms,
               .metavar = "DUR",
               .help = "A request that takes longer fails.",
               .least = 0,
               .most = kLongestMs,
               .unit = Option::Unit::milliseconds});
}

void add_places(std::vector<Option>& o, CompleteSettings& s) {
  const std::string g = "Output";
  o.push_back({.name = "output",
               .letter = 'o',
               .group = g,
               .into = &s.output,
               .metavar = "FILE|-",
               .help = "Write here; the file appears when it is whole.",
               .completes = Completes::file,
               .brief = true,
               .in_config = false});
  o.push_back({.name = "force",
               .letter = 'f',
               .group = g,
               .into = &s.force,
               .help = "Replace the output file; with -O or -w overwrite what exists.",
               .in_config = false});
  o.push_back({.name = "output-dir",
               .letter = 'O',
               .group = g,
               .into = &s.output_folder,
               .metavar = "DIR",
               .help = "Write one file an input below this folder.",
               .completes = Completes::directory,
               .brief = true,
               .in_config = false});
  o.push_back({.name = "sidecar",
               .letter = 'w',
               .group = g,
               .into = &s.sidecar,
               .help = "Write each result beside its input.",
               .in_config = false});
  o.push_back({.name = "sidecar-ext",
               .group = g,
               .into = &s.sidecar_ext,
               .metavar = "EXT",
               .help = "The ending of files that -O and -w write.",
               .wants = {{"output-dir"}, {"sidecar"}}});
  o.push_back({.name = "if-exists",
               .group = g,
               .into = &s.if_exists,
               .metavar = "WHAT",
               .help = "What to do where -O or -w find a file.",
               .choices = {"skip", "overwrite", "append", "prepend", "error"},
               .gives_way_to = {"force"},
               .wants = {{"output-dir"}, {"sidecar"}},
               .config_refuses = "overwrite",
               .given = &s.if_exists_given});
  o.push_back({.name = "resume",
               .group = g,
               .into = &s.resume,
               .help = "Keep the good records of the output file and make the others.",
               .in_config = false});
  o.push_back({.name = "only-failed",
               .group = g,
               .into = &s.only_failed,
               .metavar = "FILE",
               .help = "Make again what failed in this file of records, and nothing else.",
               .completes = Completes::file,
               .in_config = false});
}

void add_form(std::vector<Option>& o, CompleteSettings& s) {
  const std::string g = "Output";
  o.push_back(
      {.name = "json",
       .group = g,
       .into = &s.json,
       .help =
           "Write one record a line for texts too; with --version or --list-models one document.",
       .brief = true,
       .gives_way_to = {"echo", "extract", "filter"}});
  o.push_back(
      {.name = "echo",
       .group = g,
       .into = &s.echo,
       .help = "Write the text around the completion too, or around what --extract leaves of it.",
       .gives_way_to = {"json", "jsonl", "openai-batch", "chat"}});
  o.push_back({.name = "filter",
               .group = g,
               .into = &s.filter,
               .help = "For editors: write all of standard input, completed, or unchanged and "
                       "silently when that fails.",
               .brief = true,
               .in_config = false});
  o.push_back(
      {.name = "extract",
       .group = g,
       .into = &s.extract,
       .help =
           "Write of the answer only what stands between two lines of ```; all of it without them.",
       .gives_way_to = {"json", "jsonl", "openai-batch"}});
  o.push_back({.name = "no-stream",
               .group = g,
               .into = &s.no_stream,
               .help = "Write a completion when it is whole."});
  o.push_back({.name = "logprobs",
               .group = g,
               .into = &s.logprobs,
               .metavar = "N",
               .help = "Log-probabilities in records, with the N best tokens; -1 means none.",
               .least = -1,
               .most = 100,
               .gives_way_to = {"openai-batch"},
               .wants = {{"json"}, {"jsonl"}}});
}

void add_run(std::vector<Option>& o, CompleteSettings& s) {
  const std::string g = "Output";
  o.push_back({.name = "dry-run",
               .group = g,
               .into = &s.dry_run,
               .help = "Print what would be read and written, and the memory; write nothing.",
               .in_config = false});
  o.push_back({.name = "unordered",
               .group = g,
               .into = &s.unordered,
               .help = "Write records as they are done.",
               .wants = {{"json"}, {"jsonl"}, {"openai-batch"}}});
  o.push_back({.name = "summary",
               .group = g,
               .into = &s.summary,
               .help = "End with a record that counts the others.",
               .wants = {{"json"}, {"jsonl"}, {"openai-batch"}}});
  o.push_back({.name = "timing",
               .group = g,
               .into = &s.timing,
               .help = "Times in records, which then never repeat exactly.",
               .gives_way_to = {"openai-batch"},
               .wants = {{"json"}, {"jsonl"}}});
  o.push_back({.name = "sanitize",
               .group = g,
               .into = &s.sanitize,
               .help = "Make control characters harmless in pipes and files too."});
  o.push_back(
      {.name = "fail-fast",
       .group = g,
       .into = &s.fail_fast,
       .help = "Begin nothing more after the first failure; what is under way is finished."});
  o.push_back({.name = "max-errors",
               .group = g,
               .into = &s.max_errors,
               .metavar = "N",
               .help = "The same after this many failures; 0 means no limit.",
               .least = 0});
}

void add_model(std::vector<Option>& o, CompleteSettings& s) {
  const std::string g = "Model and machine";
  o.push_back(
      {.name = "model",
       .letter = 'm',
       .group = g,
       .into = &s.model,
       .metavar = "MODEL",
       .help = "A .gguf file, a folder, or a name of --list-models; without it the shipped model.",
       .completes = Completes::model,
       .brief = true,
       .environment = "R1_MODEL"});
  o.push_back(adapter_option(s.adapter, g));
  o.push_back(model_path_option(s.model_path, g));
  o.push_back(list_models_option(s.list_models, g));
}

void add_machine(std::vector<Option>& o, CompleteSettings& s) {
  const std::string g = "Model and machine";
  o.push_back(device_option(s.device, g));
  o.push_back(dtype_option(s.dtype, g));
  o.push_back(kv_type_option(s.kv_type, g));
  o.push_back(threads_option(s.threads, g));
  o.push_back({.name = "batch-size",
               .group = g,
               .into = &s.batch_size,
               .metavar = "N",
               .help = "Requests worked on together.",
               .least = 1,
               .most = 1024});
  o.push_back({.name = "max-inflight",
               .group = g,
               .into = &s.max_inflight,
               .metavar = "N",
               .help = "Read at most this many requests ahead of the first unfinished one.",
               .least = 1,
               .most = 1000000});
  o.push_back(max_memory_option(s.max_memory, g, "no limit"));
  o.push_back(gpu_memory_option(s.gpu_memory, g));
  o.push_back({.name = "deterministic",
               .group = g,
               .into = &s.deterministic,
               .help = "The same bytes whatever the batch; always so on the CPU.",
               .gives_way_to = {"time-limit"}});
  o.push_back(no_mmap_option(s.no_mmap, g));
  o.push_back(cpu_isa_option(s.cpu_isa, g));
}

}  // namespace

Program complete_program(CompleteSettings& settings, StandardOptions& standard) {
  Program p{.name = "r1-complete",
            .summary = "finish code and text",
            .synopsis = "[OPTIONS] [FILE…|-]",
            .works_on_items = true,
            .operands = &settings.operands,
            .gives_back = "filter"};
  add_input(p.options, settings);
  add_lists(p.options, settings);
  add_generation(p.options, settings);
  add_sampling(p.options, settings);
  add_answers(p.options, settings);
  add_places(p.options, settings);
  add_form(p.options, settings);
  add_run(p.options, settings);
  add_model(p.options, settings);
  add_machine(p.options, settings);
  standard.json = &settings.json;
  add_standard_options(p, standard);
  return p;
}

}  // namespace r1
