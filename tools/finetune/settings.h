#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/nn/params.h"
#include "tools/common/program.h"

namespace r1 {

// What the command line of r1-finetune says; the defaults are here.
struct FinetuneSettings {
  std::vector<std::string> operands;  // none are taken
  std::string model, output;
  // a model from scratch
  std::string init, tokenizer;
  std::int64_t vocab = 16384;
  // data
  std::vector<std::string> data, val;
  double val_share = 0;  // of the samples of data, in place of val
  bool measures() const { return !val.empty() || val_share > 0; }
  std::int64_t max_seq_length = 2048;
  bool length_given = false;  // else it is at most what the model takes
  bool no_packing = false, no_mask_prompt = false;
  std::string too_long = "drop", chat_template;
  double fim_rate = 0;
  // method
  std::string method = "lora", objective = "sft";
  bool method_given = false;
  double beta = 0.1;
  std::string adapter;       // that is taught further; empty: a fresh one
  bool shape_given = false;  // rank, alpha, rslora or modules
  std::int64_t rank = 8;
  double alpha = 16, dropout = 0;
  bool rslora = false;
  std::vector<std::string> modules;
  std::string quantize_base;  // empty: as it is
  std::string qat;            // empty: not
  std::string precision;      // of products; empty: the device's
  DType product_type() const, moment_type() const;
  std::string weight_type = "fp32", moments = "fp32";
  std::string optimizer = "adamw";
  double rate = 0, muon_rate = 0.02, weight_decay = 0.01, clip = 1;
  bool rate_given = false;                        // else it is that of the method
  bool full() const { return method == "full"; }  // all weights, not beside them
  bool dpo() const { return objective == "dpo"; }
  LoadOptions load_options() const;  // of the base
  // schedule
  std::int64_t iters = 1000, batch = 16, micro_batch = 0;
  bool batch_given = false;  // else no more than there are sequences
  bool recompute = false;
  bool iters_given = false;
  double epochs = 0;  // 0: iters counts
  std::string schedule = "cosine";
  double warmup = 0.03, min_rate = 0, decay_share = 0.2;
  std::int64_t time_budget = 0;  // milliseconds; 0: none
  // Is there a number of steps that a run takes at most, `iters`?
  bool counts_steps() const { return time_budget == 0 || iters_given || epochs > 0; }
  // reports
  std::int64_t steps_per_report = 10, steps_per_eval = 200, early_stop = 0;
  std::vector<std::string> sample_prompts;
  std::int64_t sample_tokens = 64;
  bool timing = false;
  std::string log_csv, tensorboard;
  // safety
  std::int64_t save_every = 100, keep_last = 3;
  std::string resume_from;  // a run, or a checkpoint of one; empty: none
  bool allow_data_change = false;
  bool resume = false, force = false, dry_run = false, json = false, no_verify = false;
  // result
  std::string export_kind = "adapter", export_type;  // empty: that of the base
  bool export_given = false, export_type_given = false;
  // model and machine
  std::int64_t seed = 0, threads = 0;
  std::int64_t max_memory = 0;  // bytes; 0: what the machine has
  std::string model_path, device = "cpu";
  bool list_models = false;
};

Program finetune_program(FinetuneSettings& settings, StandardOptions& standard);

}  // namespace r1
