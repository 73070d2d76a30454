#include "tools/bench/table.h"

#include "tools/common/shared_options.h"

namespace r1 {
namespace {

using Completes = Option::Completes;
using Unit = Option::Unit;

Option list_of(const std::string& name, const std::string& group, std::string& into,
               const std::string& help) {
  return {
      .name = name, .group = group, .into = &into, .metavar = "LIST", .help = help, .brief = true};
}

void add_what(std::vector<Option>& o, BenchSettings& s) {
  const std::string g = "What is measured";
  o.push_back({.name = "model",
               .letter = 'm',
               .group = g,
               .into = &s.models,
               .metavar = "MODEL",
               .help = "Measure this model, and others with more -m; without it, the machine.",
               .completes = Completes::model,
               .brief = true,
               .gives_way_to = {"ops", "hardware", "compare"}});
  const std::vector<Option::Want> models = {{"model"}, {"serve"}};
  o.push_back(list_of("prompt-tokens", g, s.prompt_tokens,
                      "Read prompts of these lengths, such as 512 or 128-2048*2; 0 reads none."));
  o.back().wants = models;
  o.back().idle_with = {"quality", "lengths"};
  Option answers = list_of("max-tokens", g, s.max_tokens,
                           "Write these numbers of tokens, one after the other; 0 writes none.");
  answers.letter = 'n';
  answers.wants = models;
  answers.idle_with = {"quality", "lengths"};
  o.push_back(answers);
  o.push_back(
      list_of("depth", g, s.depth, "Begin behind these numbers of tokens, already in the cache."));
  o.back().wants = {{"model"}};
  o.back().idle_with = {"serve", "quality"};
  Option batch =
      list_of("batch-size", g, s.batch_size, "Work on these numbers of sequences at once.");
  batch.wants = models;
  batch.idle_with = {"quality"};
  batch.given = &s.batch_size_given;
  o.push_back(batch);
  o.push_back({.name = "ops",
               .group = g,
               .into = &s.ops,
               .metavar = "GLOB",
               .help = "Measure the operations of the backend with these names; '*' is all.",
               .brief = true,
               .gives_way_to = {"model", "serve", "quality", "hardware", "compare"},
               .given = &s.ops_given});
  o.push_back({.name = "hardware",
               .group = g,
               .into = &s.hardware,
               .help = "Say what this machine is, and which models it can run how fast at most.",
               .brief = true,
               .in_config = false});
  o.push_back({.name = "serve",
               .group = g,
               .into = &s.serve,
               .help = "Answer the same requests in static and in dynamic batches.",
               .brief = true,
               .in_config = false});
  o.push_back({.name = "quality",
               .group = g,
               .into = &s.quality,
               .metavar = "FILE",
               .help = "Say how well models predict this text; - is stdin.",
               .completes = Completes::file,
               .brief = true,
               .in_config = false});
  o.push_back({.name = "compare",
               .group = g,
               .into = &s.compare,
               .help = "Compare two files of records (--jsonl or --json), OLD and NEW; - is stdin.",
               .brief = true,
               .in_config = false});
}

void add_serving(std::vector<Option>& o, BenchSettings& s) {
  const std::string g = "Serving (--serve)";
  o.push_back({.name = "requests",
               .group = g,
               .into = &s.requests,
               .metavar = "N",
               .help = "How many requests there are.",
               .least = 1,
               .most = 100000,
               .wants = {{"serve"}}});
  o.push_back(
      {.name = "rate",
       .group = g,
       .into = &s.rate,
       .metavar = "R",
       .help = "Requests a second, by a Poisson process; 0 means that all are there at once.",
       .least = 0,
       .most = 1e6,
       .wants = {{"serve"}}});
  o.push_back(
      {.name = "spread",
       .group = g,
       .into = &s.spread,
       .metavar = "X",
       .help = "Lengths are lognormal: medians --prompt-tokens and -n, this deviation of the log.",
       .least = 0,
       .most = 3,
       .wants = {{"serve"}},
       .idle_with = {"lengths"}});
  o.push_back({.name = "lengths",
               .group = g,
               .into = &s.lengths,
               .metavar = "FILE",
               .help =
                   "Take lengths from a file, or - (stdin): a prompt's and an answer's tokens a "
                   "line, over and over.",
               .completes = Completes::file,
               .gives_way_to = {"prompt-tokens", "max-tokens", "spread"},
               .wants = {{"serve"}}});
  o.push_back({.name = "seed",
               .letter = 's',
               .group = g,
               .into = &s.seed,
               .metavar = "N",
               .help = "Of arrivals and lengths.",
               .least = 0,
               .wants = {{"serve"}}});
}

void add_quality(std::vector<Option>& o, BenchSettings& s) {
  const std::string g = "Quality (--quality)";
  o.push_back(
      {.name = "base",
       .group = g,
       .into = &s.base,
       .metavar = "MODEL",
       .help =
           "Compare with this model: KL divergence, and how often the first choice is the same.",
       .completes = Completes::model,
       .brief = true,
       .in_config = false,
       .wants = {{"quality"}}});
  o.push_back({.name = "window",
               .group = g,
               .into = &s.window,
               .metavar = "N",
               .help = "Read windows of N positions.",
               .least = 2,
               .most = 1e7,
               .in_config = false,
               .wants = {{"quality"}},
               .given = &s.window_given,
               .built_in = "512, or as many as every model takes"});
  o.push_back({.name = "limit",
               .group = g,
               .into = &s.limit,
               .metavar = "N",
               .help = "Stop when N tokens have counted; 0 means all.",
               .least = 0,
               .in_config = false,
               .wants = {{"quality"}}});
}

void add_how(std::vector<Option>& o, BenchSettings& s) {
  const std::string g = "How";
  o.push_back({.name = "repeat",
               .group = g,
               .into = &s.repeat,
               .metavar = "N",
               .help = "Take at least this many samples of each test.",
               .least = 1,
               .most = 1000,
               .brief = true,
               .idle_with = {"quality", "hardware", "compare"}});
  o.push_back({.name = "warmup",
               .group = g,
               .into = &s.warmup,
               .metavar = "N",
               .help = "Run each test this often before, and do not count it.",
               .least = 0,
               .most = 1000,
               .idle_with = {"quality", "hardware", "compare"}});
  o.push_back(
      {.name = "min-time",
       .group = g,
       .into = &s.min_time_ms,
       .metavar = "DUR",
       .help = "Go on with a test for at least this long (1s; where all is measured, 200ms).",
       .least = 0,
       .unit = Unit::milliseconds,
       .idle_with = {"serve", "quality", "hardware", "compare"},
       .given = &s.min_time_given});
  o.push_back({.name = "delay",
               .group = g,
               .into = &s.delay_ms,
               .metavar = "DUR",
               .help = "Wait this long before each test.",
               .least = 0,
               .most = 864e5,
               .unit = Unit::milliseconds,
               .idle_with = {"serve", "quality", "hardware", "compare"}});
  o.push_back({.name = "check-thermal",
               .group = g,
               .into = &s.check_thermal,
               .help = "Wait until the cores run at full speed, and say where they did not.",
               .idle_with = {"serve", "quality", "hardware", "compare"}});
}

void add_output(std::vector<Option>& o, BenchSettings& s) {
  const std::string g = "Output";
  o.push_back({.name = "format",
               .group = g,
               .into = &s.format,
               .metavar = "FORM",
               .help = "How results are written.",
               .choices = {"table", "md", "json", "jsonl", "csv", "sql", "benchstat"},
               .brief = true,
               .gives_way_to = {"json", "jsonl"},
               .given = &s.format_given,
               .on_command_line = &s.form_on_command_line});
  o.push_back({.name = "json",
               .group = g,
               .into = &s.json,
               .help = "The same as --format json.",
               .gives_way_to = {"format", "jsonl"},
               .on_command_line = &s.form_on_command_line});
  o.push_back({.name = "jsonl",
               .group = g,
               .into = &s.jsonl,
               .help = "The same as --format jsonl.",
               .gives_way_to = {"format", "json"},
               .on_command_line = &s.form_on_command_line});
  o.push_back({.name = "output",
               .letter = 'o',
               .group = g,
               .into = &s.output,
               .metavar = "FILE",
               .help = "Write here; a file that exists wants -f.",
               .completes = Completes::file,
               .brief = true,
               .in_config = false});
  o.push_back(force_option(s.force, g));
  o.push_back({.name = "plot",
               .group = g,
               .into = &s.plot,
               .metavar = "FILE",
               .help = "Draw the machine's limits and the results below them, as SVG.",
               .completes = Completes::file,
               .in_config = false});
  o.push_back(
      {.name = "price",
       .group = g,
       .into = &s.price,
       .metavar = "X/H",
       .help = "What the machine costs, such as 2.50/h; results then say the price of tokens.",
       .wants = {{"model"}, {"serve"}},
       .idle_with = {"quality"},
       .given = &s.price_given});
  o.push_back({.name = "fail-if-slower",
               .group = g,
               .into = &s.fail_if_slower,
               .metavar = "SHARE",
               .help = "With --compare: end with status 1 where NEW is slower by more, such as 5%.",
               .least = 0,
               .most = 1,
               .wants = {{"compare"}},
               .given = &s.fails_if_slower,
               .built_in = "none"});
}

void add_machine(std::vector<Option>& o, BenchSettings& s) {
  const std::string g = "Model and machine";
  const std::vector<Option::Want> models = {{"model"}, {"serve"}, {"quality"}};
  const auto of_models = [&](Option option) {
    option.wants = models;
    o.push_back(std::move(option));
  };
  const auto of_backends = [&](Option option) {
    option.idle_with = {"compare"};
    o.push_back(std::move(option));
  };
  of_models(adapter_option(s.adapter, g));
  o.push_back(model_path_option(s.model_path, g));
  o.push_back(list_models_option(s.list_models, g));
  of_backends(device_option(s.device, g));
  of_models(dtype_option(s.dtype, g));
  of_models(kv_type_option(s.kv_type, g));
  of_backends(threads_option(s.threads, g));
  of_models(gpu_memory_option(s.gpu_memory, g));
  of_models(no_mmap_option(s.no_mmap, g));
  o.push_back(cpu_isa_option(s.cpu_isa, g));
}

}  // namespace

Program bench_program(BenchSettings& settings, StandardOptions& standard) {
  Program p{.name = "r1-bench",
            .summary = "measure models and machines",
            .synopsis = "[OPTIONS] [-m MODEL]… | --compare OLD NEW",
            .works_on_items = true,
            .operands = &settings.operands};
  add_what(p.options, settings);
  add_serving(p.options, settings);
  add_quality(p.options, settings);
  add_how(p.options, settings);
  add_output(p.options, settings);
  add_machine(p.options, settings);
  standard.json = &settings.json;
  add_standard_options(p, standard);
  return p;
}

}  // namespace r1
