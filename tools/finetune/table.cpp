#include <type_traits>

#include "tools/common/shared_options.h"
#include "tools/finetune/settings.h"

namespace r1 {
namespace {

using Completes = Option::Completes;

// A whole number or a fraction.
template <typename Number>
Option number(const char* name, const std::string& group, Number& into, const char* help,
              double least, double most) {
  return {.name = name,
          .group = group,
          .into = &into,
          .metavar = std::is_integral_v<Number> ? "N" : "X",
          .help = help,
          .least = least,
          .most = most};
}

void add_data(std::vector<Option>& o, FinetuneSettings& s) {
  const std::string g = "Data";
  o.push_back({.name = "data",
               .group = g,
               .into = &s.data,
               .metavar = "FILE",
               .help =
                   "Learn from this: .jsonl of samples, other text, or a folder of them; more with "
                   "more --data.",
               .completes = Completes::file,
               .brief = true});
  o.push_back({.name = "val",
               .group = g,
               .into = &s.val,
               .metavar = "FILE",
               .help = "Measure the loss on this, a file or a folder; it is not learnt.",
               .completes = Completes::file,
               .brief = true,
               .gives_way_to = {"val-share"}});
  o.push_back(number("val-share", g, s.val_share,
                     "In place of --val: measure it on this share of the samples of --data.", 0,
                     0.9));
  o.back().gives_way_to = {"val"};
  o.push_back(number("max-seq-length", g, s.max_seq_length,
                     "Tokens of a sequence at most; short samples share one.", 2, 1 << 20));
  o.back().given = &s.length_given;
  o.back().built_in = "2048, or as many as the model takes";
  o.push_back({.name = "long",
               .group = g,
               .into = &s.too_long,
               .metavar = "HOW",
               .help = "What becomes of longer samples; plain text always goes on in the next.",
               .choices = {"drop", "cut"},
               .wants = {{"objective", {"sft"}}}});
  o.push_back(number("fim-rate", g, s.fim_rate,
                     "Share of plain texts that are learnt with a gap to fill in.", 0, 1));
  o.back().wants = {{"objective", {"sft"}}};
  o.push_back({.name = "chat-template",
               .group = g,
               .into = &s.chat_template,
               .metavar = "FILE",
               .help = "Conversations look as this template has it, not as the model's own does; "
                       "it is exported too.",
               .completes = Completes::file});
  o.push_back(
      {.name = "no-packing", .group = g, .into = &s.no_packing, .help = "One sample a sequence."});
  o.push_back({.name = "no-mask-prompt",
               .group = g,
               .into = &s.no_mask_prompt,
               .help = "Learn prompts too, not only what answers them.",
               .wants = {{"objective", {"sft"}}}});
}

void add_method(std::vector<Option>& o, FinetuneSettings& s) {
  const std::string g = "Method";
  o.push_back({.name = "fine-tune-type",
               .group = g,
               .into = &s.method,
               .metavar = "HOW",
               .help = "Learn two small matrices beside each large one (LoRA), its rows' lengths "
                       "too (DoRA), or all weights.",
               .choices = {"lora", "dora", "full"},
               .brief = true,
               .gives_way_to = {"init"},
               .given = &s.method_given});
  o.push_back({.name = "objective",
               .group = g,
               .into = &s.objective,
               .metavar = "WHAT",
               .help = "Learn what the data say, or to like one answer better than another (DPO).",
               .choices = {"sft", "dpo"}});
  o.push_back(number("beta", g, s.beta,
                     "Of DPO: the higher, the nearer it stays to the model as it was.", 1e-6, 1e3));
  o.back().wants = {{"objective", {"dpo"}}};
  const std::size_t first = o.size();
  o.push_back(number("rank", g, s.rank, "Rows of the small matrices of LoRA.", 1, 4096));
  o.push_back(
      number("alpha", g, s.alpha, "Their products are multiplied by alpha / rank.", 1e-6, 1e6));
  o.push_back(
      {.name = "rslora", .group = g, .into = &s.rslora, .help = "By alpha / sqrt(rank) instead."});
  o.push_back({.name = "target-modules",
               .group = g,
               .into = &s.modules,
               .metavar = "GLOB",
               .help =
                   "LoRA for modules of this name, such as 'q_proj' or '*_proj'; more with more "
                   "--target-modules.",
               .built_in = "all"});
  for (std::size_t i = first; i < o.size(); ++i) {
    o[i].gives_way_to = {"adapter"};
    o[i].given = &s.shape_given;
  }
  o.push_back({.name = "adapter",
               .group = g,
               .into = &s.adapter,
               .metavar = "DIR",
               .help =
                   "Teach this one further, in place of a fresh one: a folder of r1-finetune or "
                   "peft, of the same model.",
               .completes = Completes::directory});
  o.push_back(number("dropout", g, s.dropout,
                     "Share of what they read that is dropped while they learn.", 0, 0.99));
  o.push_back({.name = "quantize-base",
               .group = g,
               .into = &s.quantize_base,
               .metavar = "TYPE",
               .help = "Keep the matrices of the layers, which stay as they are, in memory in this "
                       "type of blocks.",
               .choices = {"q8_0", "q4_0", "q4_k"}});
  for (std::size_t i = first; i < o.size(); ++i) {
    o[i].wants = {{"fine-tune-type", {"lora", "dora"}}};
    o[i].idle_with = {"init"};
  }
}

void add_learning(std::vector<Option>& o, FinetuneSettings& s) {
  const std::string g = "Method";
  o.push_back({.name = "qat",
               .group = g,
               .into = &s.qat,
               .metavar = "TYPE",
               .help = "Learn what survives this type of r1-quantize: weights are read, and "
                       "exported, as blocks of it.",
               .any_case = true,
               .built_in = "none"});
  o.push_back(
      {.name = "precision",
       .group = g,
       .into = &s.precision,
       .metavar = "TYPE",
       .help = "What matrices and what they meet are rounded to in products; all else stays fp32.",
       .choices = {"fp32", "bf16", "fp16", "fp8", "f32", "f16"},
       .built_in = "fp32, on a card bf16"});
  o.push_back({.name = "weight-type",
               .group = g,
               .into = &s.weight_type,
               .metavar = "TYPE",
               .help = "What matrices are kept in while all weights are learnt by AdamW: bf16 "
                       "takes half the memory.",
               .choices = {"fp32", "bf16"}});
  o.push_back({.name = "moments",
               .group = g,
               .into = &s.moments,
               .metavar = "TYPE",
               .help = "The same of AdamW's moments; fp8, with a scale a block, takes a quarter.",
               .choices = {"fp32", "bf16", "fp8"}});
  o.push_back({.name = "optimizer",
               .group = g,
               .into = &s.optimizer,
               .metavar = "HOW",
               .help = "Muon turns the matrices of the layers and leaves the rest to AdamW; it "
                       "learns all weights.",
               .choices = {"adamw", "muon"}});
  o.push_back(number("learning-rate", g, s.rate, "At its peak, of AdamW.", 0, 10));
  o.back().brief = true;
  o.back().built_in = "2e-4 of LoRA, 1e-5 of all weights, 1e-3 from scratch";
  o.back().given = &s.rate_given;
  o.push_back(number("muon-learning-rate", g, s.muon_rate, "At its peak, of Muon.", 0, 10));
  o.back().wants = {{"optimizer", {"muon"}}};
  o.push_back(number("weight-decay", g, s.weight_decay, "Of matrices.", 0, 10));
  o.push_back(number("clip", g, s.clip, "Norm of the gradient at most; 0: any.", 0, 1e9));
}

void add_scratch(std::vector<Option>& o, FinetuneSettings& s) {
  const std::string g = "From scratch";
  o.push_back({.name = "init",
               .group = g,
               .into = &s.init,
               .metavar = "FILE",
               .help = "In place of --model: begin with one that has learnt nothing, of the shape "
                       "in this config.json.",
               .completes = Completes::file});
  o.push_back({.name = "tokenizer",
               .group = g,
               .into = &s.tokenizer,
               .metavar = "FILE",
               .help = "Its tokenizer.model or tokenizer.json; 'train' makes one of --data.",
               .completes = Completes::file,
               .wants = {{"init"}}});
  o.push_back(number("vocab", g, s.vocab, "Tokens of one that is made.", 300, 1 << 20));
  o.back().wants = {{"tokenizer", {"train"}}};
}

void add_schedule(std::vector<Option>& o, FinetuneSettings& s) {
  const std::string g = "Schedule";
  o.push_back(number("iters", g, s.iters, "Steps.", 1, 1e9));
  o.back().brief = true;
  o.back().gives_way_to = {"epochs"};
  o.back().given = &s.iters_given;
  o.push_back(
      number("epochs", g, s.epochs, "In place of --iters: how often to read the data.", 1e-3, 1e6));
  o.back().gives_way_to = {"iters"};
  o.back().built_in = "none";
  o.push_back(
      {.name = "time-budget",
       .group = g,
       .into = &s.time_budget,
       .metavar = "TIME",
       .help = "Take as many steps as fit into this time, such as 2h, all else included; at most "
               "--iters.",
       .least = 1,
       .unit = Option::Unit::milliseconds,
       .brief = true,
       .built_in = "none"});
  o.push_back(number("batch-size", g, s.batch, "Sequences of a step.", 1, 1 << 20));
  o.back().given = &s.batch_given;
  o.back().built_in = "16, or as many as the data have";
  o.push_back(
      number("micro-batch", g, s.micro_batch,
             "Sequences that go through the model together: it changes speed, memory, last digits "
             "and --dropout.",
             1, 1 << 20));
  o.back().built_in = "1,024 tokens of them; 32,768 on a card with memory for them";
  o.push_back({.name = "grad-checkpoint",
               .group = g,
               .into = &s.recompute,
               .help = "Keep of a layer what goes into it, and run it again on the way back: less "
                       "memory, more time."});
  o.push_back({.name = "schedule",
               .group = g,
               .into = &s.schedule,
               .metavar = "HOW",
               .help = "How the learning rate falls; wsd: flat, then down to the end.",
               .choices = {"cosine", "linear", "constant", "wsd"}});
  o.push_back(number("lr-warmup", g, s.warmup, "Share of the steps in which it rises.", 0, 1));
  o.push_back(number("min-lr", g, s.min_rate, "Share of its peak that it keeps at the end.", 0, 1));
  o.back().wants = {{"schedule", {"cosine", "linear", "wsd"}}};
  o.push_back(number("decay-share", g, s.decay_share,
                     "Share of the steps in which it falls; only of wsd.", 0, 1));
  o.back().wants = {{"schedule", {"wsd"}}};
}

void add_reports(std::vector<Option>& o, FinetuneSettings& s) {
  const std::string g = "Reports";
  o.push_back(
      number("steps-per-report", g, s.steps_per_report, "Print a record so often.", 1, 1e9));
  o.push_back(number("steps-per-eval", g, s.steps_per_eval,
                     "Measure the loss on --val, and complete each --sample-prompt, so often.", 1,
                     1e9));
  o.back().wants = {{"val"}, {"val-share"}, {"sample-prompt"}};
  o.push_back(number("early-stop", g, s.early_stop,
                     "Stop when the loss on --val has not fallen so many times; 0: never.", 0,
                     1e9));
  o.back().wants = {{"val"}, {"val-share"}};
  o.push_back({.name = "sample-prompt",
               .group = g,
               .into = &s.sample_prompts,
               .metavar = "TEXT|@F",
               .help = "Show what the model makes of this, greedily; more with more "
                       "--sample-prompt.",
               .completes = Completes::text_or_file});
  o.push_back(number("sample-tokens", g, s.sample_tokens, "Tokens of each such completion at most.",
                     1, 1 << 20));
  o.back().wants = {{"sample-prompt"}};
  o.push_back({.name = "timing",
               .group = g,
               .into = &s.timing,
               .help = "Records say tokens a second, their share of the machine's peak, and "
                       "memory, which differ by run."});
  o.push_back({.name = "log-csv",
               .group = g,
               .into = &s.log_csv,
               .metavar = "FILE",
               .help = "The records as a table too.",
               .completes = Completes::file,
               .in_config = false});
  o.push_back({.name = "tensorboard",
               .group = g,
               .into = &s.tensorboard,
               .metavar = "DIR",
               .help = "The records as a file of events in DIR too, as TensorBoard reads them.",
               .completes = Completes::directory,
               .in_config = false});
}

void add_safety(std::vector<Option>& o, FinetuneSettings& s) {
  const std::string g = "Safety";
  o.push_back(
      number("save-every", g, s.save_every, "Save a checkpoint after so many steps.", 1, 1e9));
  o.push_back(number("keep-last", g, s.keep_last, "Keep so many of them.", 1, 1000));
  o.push_back({.name = "resume",
               .group = g,
               .into = &s.resume,
               .help = "Go on from the newest whole checkpoint in DIR, if there is one.",
               .brief = true,
               .in_config = false});
  o.push_back({.name = "resume-from",
               .group = g,
               .into = &s.resume_from,
               .metavar = "DIR",
               .help = "Begin behind this checkpoint, or the newest of the run in DIR; most "
                       "options may differ.",
               .completes = Completes::directory,
               .in_config = false});
  o.push_back({.name = "allow-data-change",
               .group = g,
               .into = &s.allow_data_change,
               .help = "With --resume or --resume-from, go on with other --data too.",
               .in_config = false});
  o.push_back(force_option(s.force, g));
  o.push_back({.name = "dry-run",
               .group = g,
               .into = &s.dry_run,
               .help = "Say what would be learnt, with one sample, and what memory and work it "
                       "takes; learn nothing.",
               .brief = true,
               .in_config = false});
  o.push_back(
      {.name = "json",
       .group = g,
       .into = &s.json,
       .help = "With --dry-run, --list-models or --version, print one document; records are JSON "
               "anyway."});
}

void add_result(std::vector<Option>& o, FinetuneSettings& s) {
  const std::string g = "Result";
  o.push_back({.name = "output",
               .letter = 'o',
               .group = g,
               .into = &s.output,
               .metavar = "DIR",
               .help = "Write here: checkpoints, and at the end what was learnt.",
               .completes = Completes::directory,
               .brief = true,
               .in_config = false});
  o.push_back({.name = "export",
               .group = g,
               .into = &s.export_kind,
               .metavar = "WHAT",
               .help = "What is written: an adapter of peft or llama.cpp, or the whole model as a "
                       "folder or a file.",
               .choices = {"adapter", "merged", "gguf", "gguf-adapter"},
               .brief = true,
               .given = &s.export_given,
               .built_in = "adapter; of all weights what the model is"});
  o.push_back({.name = "export-type",
               .group = g,
               .into = &s.export_type,
               .metavar = "TYPE",
               .help = "The type of a .gguf file's matrices, as r1-quantize's --type.",
               .any_case = true,
               .gives_way_to = {"qat"},
               .wants = {{"export", {"gguf"}}, {"fine-tune-type", {"full"}}, {"init"}},
               .given = &s.export_type_given,
               .built_in = "f16 where the base has it, else bf16"});
  o.push_back({.name = "no-verify",
               .group = g,
               .into = &s.no_verify,
               .help = "Do not hold what was written against the model in memory."});
}

}  // namespace

DType FinetuneSettings::product_type() const {
  if (precision == "bf16") return DType::bf16;
  if (precision == "fp16") return DType::f16;
  return precision == "fp8" ? DType::f8_e4m3 : DType::f32;
}

DType FinetuneSettings::moment_type() const {
  if (moments == "bf16") return DType::bf16;
  return moments == "fp8" ? DType::f8_e4m3 : DType::f32;
}

LoadOptions FinetuneSettings::load_options() const {
  const bool rounds = !full() && qat.empty() && product_type() == DType::bf16;
  LoadOptions options{.compute = rounds ? DType::bf16 : DType::f32, .trainable = full()};
  if (weight_type == "bf16") options.trained = DType::bf16;
  for (const DType type : {DType::q8_0, DType::q4_0, DType::q4_k})
    if (quantize_base == to_string(type)) options.layers = type;
  return options;
}

Program finetune_program(FinetuneSettings& settings, StandardOptions& standard) {
  Program p{.name = "r1-finetune",
            .summary = "teach a model",
            .synopsis = "[OPTIONS] [-m MODEL] --data FILE -o DIR",
            .operands = &settings.operands};
  add_data(p.options, settings);
  add_method(p.options, settings);
  add_learning(p.options, settings);
  add_scratch(p.options, settings);
  add_schedule(p.options, settings);
  add_reports(p.options, settings);
  add_safety(p.options, settings);
  add_result(p.options, settings);
  const std::string g = "Model and machine";
  p.options.push_back({.name = "model",
                       .letter = 'm',
                       .group = g,
                       .into = &settings.model,
                       .metavar = "MODEL",
                       .help = "Teach this one: a .gguf file, a folder or a name; without it the "
                               "shipped model.",
                       .completes = Completes::model,
                       .brief = true,
                       .gives_way_to = {"init"},
                       .environment = "R1_MODEL"});
  p.options.push_back(model_path_option(settings.model_path, g));
  p.options.push_back(list_models_option(settings.list_models, g));
  p.options.push_back(device_option(settings.device, g));
  p.options.push_back(threads_option(settings.threads, g));
  p.options.push_back(max_memory_option(settings.max_memory, g, "what the machine has"));
  p.options.push_back({.name = "seed",
                       .letter = 's',
                       .group = g,
                       .into = &settings.seed,
                       .metavar = "N",
                       .help = "The same seed learns the same.",
                       .least = 0,
                       .most = 9e18});
  standard.json = &settings.json;
  add_standard_options(p, standard);
  return p;
}

}  // namespace r1
