#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace r1 {

inline constexpr std::int64_t kMostTokens = 16'777'216;        // that may be asked for
inline constexpr std::int64_t kLongestMs = 1'000'000'000'000;  // likewise

// What the command line of r1-complete says; the defaults are here.
struct CompleteSettings {
  // input
  std::vector<std::string> operands, extra;
  std::string prompt, prefix_file, suffix, cursor, system, files_from;
  bool prompt_given = false, suffix_given = false, cursor_given = false;
  bool nul = false, chat = false, json = false, jsonl = false, openai_batch = false;
  // generation
  std::int64_t max_tokens = 128, top_k = 0, answers = 1, seed = 0, time_limit_ms = 0,
               timeout_ms = 0;
  double temperature = 0, top_p = 1, min_p = 0, repeat_penalty = 1;
  bool temperature_given = false, top_p_given = false, top_k_given = false, min_p_given = false;
  std::vector<std::string> stop;
  std::string stop_at;
  bool no_heal = false, fit = false;
  // output
  bool echo = false, filter = false, extract = false, no_stream = false, force = false;
  bool unordered = false, fail_fast = false, summary = false, timing = false, sanitize = false;
  std::int64_t logprobs = -1, max_errors = 0;
  std::string output = "-", output_folder, sidecar_ext = ".txt", if_exists = "skip";
  bool sidecar = false, resume = false, if_exists_given = false;
  std::string only_failed;        // a file of records
  std::vector<std::string> read;  // no result replaces these, or files in them
  // model and machine
  std::string adapter;  // a folder or file; empty: none
  std::string model, model_path, device = "auto", dtype = "auto", kv_type = "auto", cpu_isa;
  std::int64_t max_memory = 0, gpu_memory = -90;
  bool dry_run = false, list_models = false, no_mmap = false, deterministic = false;
  std::int64_t threads = 0, batch_size = 16, max_inflight = 64;

  bool request_lines() const { return jsonl || openai_batch; }
  bool records() const { return json || request_lines(); }
  bool stores() const { return sidecar || !output_folder.empty(); }
  bool names_files() const {
    return !(operands.empty() && prefix_file.empty() && files_from.empty() && only_failed.empty());
  }
  // Neither a text nor where it stands is said: then it is on standard input.
  bool names_nothing() const { return !names_files() && !prompt_given; }
  bool has_dash() const {
    return std::find(operands.begin(), operands.end(), "-") != operands.end();
  }
  bool reads_stdin() const {
    return has_dash() || files_from == "-" || names_nothing() ||
           (request_lines() && operands.empty());
  }
};

}  // namespace r1
