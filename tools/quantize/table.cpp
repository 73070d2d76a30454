#include <algorithm>

#include "lib/quant/folder_plan.h"
#include "lib/quant/types.h"
#include "tools/common/shared_options.h"
#include "tools/quantize/settings.h"

namespace r1 {
namespace {

using Completes = Option::Completes;

std::vector<std::string> type_names() {
  std::vector<std::string> names;
  for (const Mix& mix : mixes()) names.emplace_back(mix.name);
  for (const std::string& name : folder_type_names())
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  return names;
}

void add_types(std::vector<Option>& o, QuantizeSettings& s) {
  const std::string g = "Types";
  o.push_back({.name = "type",
               .group = g,
               .into = &s.type,
               .metavar = "TYPE",
               .help = "What matrices become; _m and _s give some of them more bits.",
               .choices = type_names(),
               .any_case = true,
               .brief = true,
               .gives_way_to = {"target-bpw"}});
  o.push_back({.name = "tensor-type",
               .group = g,
               .into = &s.tensor_types,
               .metavar = "RE=TYPE",
               .help =
                   "Another type for tensors whose name fits this regular expression; the first "
                   "that fits counts.",
               .brief = true});
  o.push_back({.name = "keep",
               .group = g,
               .into = &s.keep,
               .metavar = "RE",
               .help = "Leave tensors whose name fits as they are."});
  o.push_back({.name = "output-type",
               .group = g,
               .into = &s.output_type,
               .metavar = "TYPE",
               .help = "The type of the head, which makes the logits.",
               .choices = tensor_type_names(),
               .any_case = true});
  o.push_back({.name = "embed-type",
               .group = g,
               .into = &s.embed_type,
               .metavar = "TYPE",
               .help = "The type of the embedding.",
               .choices = tensor_type_names(),
               .any_case = true});
  o.push_back({.name = "target-bpw",
               .group = g,
               .into = &s.target_bpw,
               .metavar = "BITS",
               .help = "In place of --type: types of at most so many bits a weight, chosen by what "
                       "--calibration measures.",
               .least = 1,
               .most = 32,
               .gives_way_to = {"type", "pure"},
               .built_in = "none"});
  o.push_back({.name = "pure",
               .group = g,
               .into = &s.pure,
               .help = "One type for all matrices, the head too.",
               .gives_way_to = {"target-bpw"}});
}

void add_quality(std::vector<Option>& o, QuantizeSettings& s) {
  const std::string g = "Quality";
  o.push_back({.name = "method",
               .group = g,
               .into = &s.method,
               .metavar = "HOW",
               .help = "How weights are rounded: to nearest, with searched scales, or with error "
                       "feedback too (GPTQ).",
               .choices = {"rtn", "search", "gptq"},
               .brief = true});
  o.push_back({.name = "awq",
               .group = g,
               .into = &s.awq,
               .help = "Round channels that carry much in finer steps: their scale goes into the "
                       "norm before them (AWQ)."});
  o.push_back({.name = "calibration",
               .group = g,
               .into = &s.calibration,
               .metavar = "FILE",
               .help = "Run the model over this text (.jsonl: each \"text\"), and count errors by "
                       "what its products see.",
               .completes = Completes::file,
               .brief = true,
               .gives_way_to = {"imatrix"}});
  o.push_back({.name = "calibration-tokens",
               .group = g,
               .into = &s.calibration_tokens,
               .metavar = "N",
               .help = "Read at most so many tokens of it.",
               .least = 2,
               .most = 1e9,
               .wants = {{"calibration"}}});
  o.push_back(
      {.name = "imatrix",
       .group = g,
       .into = &s.imatrix,
       .metavar = "FILE",
       .help = "Count errors by this importance matrix, a GGUF file as llama-imatrix writes.",
       .completes = Completes::file,
       .brief = true,
       .gives_way_to = {"calibration"}});
  o.push_back({.name = "imatrix-out",
               .group = g,
               .into = &s.imatrix_out,
               .metavar = "FILE",
               .help = "Keep the importance matrix that --calibration found.",
               .completes = Completes::file,
               .in_config = false});
  o.push_back({.name = "allow-requantize",
               .group = g,
               .into = &s.allow_requantize,
               .help = "Quantize what is quantized already, and lose twice."});
}

void add_safety(std::vector<Option>& o, QuantizeSettings& s) {
  const std::string g = "Output";
  o.push_back({.name = "output",
               .letter = 'o',
               .group = g,
               .into = &s.output,
               .metavar = "OUT",
               .help =
                   "Write here, a .gguf file, or under any other name a Hugging Face folder; what "
                   "exists wants -f.",
               .completes = Completes::file,
               .brief = true,
               .in_config = false});
  o.push_back(force_option(s.force, g));
  o.push_back({.name = "resume",
               .group = g,
               .into = &s.resume,
               .help = "Go on with OUT.partial, which a run that was broken off left.",
               .brief = true,
               .in_config = false});
  o.push_back({.name = "shard-size",
               .group = g,
               .into = &s.shard_size,
               .metavar = "SIZE",
               .help = "Cut the weights into files of about so many bytes (K, M, G); without it "
                       "no .gguf file is cut.",
               .least = 1,
               .unit = Option::Unit::bytes,
               .in_config = false,
               .given = &s.cuts_shards});
  o.push_back({.name = "dry-run",
               .group = g,
               .into = &s.dry_run,
               .help = "Say what each tensor would become, and write nothing.",
               .brief = true,
               .in_config = false});
  o.push_back({.name = "json",
               .group = g,
               .into = &s.json,
               .help = "Print one document, with the error of each tensor."});
  o.push_back({.name = "manifest",
               .group = g,
               .into = &s.manifest,
               .metavar = "FILE",
               .help = "Write the SHA-256 of inputs and output, and how it was made, as JSON.",
               .completes = Completes::file,
               .in_config = false});
  o.push_back({.name = "no-verify",
               .group = g,
               .into = &s.no_verify,
               .help = "Do not read the written file again; errors are then not known."});
}

}  // namespace

Program quantize_program(QuantizeSettings& settings, StandardOptions& standard) {
  Program p{.name = "r1-quantize",
            .summary = "make models smaller",
            .synopsis = "[OPTIONS] --type TYPE -o OUT MODEL",
            .operands = &settings.operands,
            .operands_complete = Completes::model};
  add_types(p.options, settings);
  add_quality(p.options, settings);
  add_safety(p.options, settings);
  const std::string g = "Model and machine";
  p.options.push_back(model_path_option(settings.model_path, g));
  p.options.push_back(list_models_option(settings.list_models, g));
  p.options.push_back(threads_option(settings.threads, g));
  standard.json = &settings.json;
  add_standard_options(p, standard);
  return p;
}

}  // namespace r1
