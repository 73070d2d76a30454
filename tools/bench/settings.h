#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace r1 {

// What the command line of r1-bench says; the defaults are here.
struct BenchSettings {
  std::vector<std::string> operands;  // of --compare
  // what
  std::vector<std::string> models;
  std::string prompt_tokens = "512", max_tokens = "128", depth = "0", batch_size = "1", ops;
  bool hardware = false, serve = false, compare = false;
  std::string quality;  // a file
  bool batch_size_given = false, min_time_given = false, ops_given = false, price_given = false,
       window_given = false;
  // serving
  std::int64_t requests = 64, seed = 0;
  double rate = 0, spread = 1;
  std::string lengths;  // a file
  // quality
  std::string base;
  std::int64_t window = 512, limit = 0;  // tokens
  // how
  std::int64_t repeat = 5, warmup = 1, min_time_ms = 1000, delay_ms = 0;
  bool check_thermal = false;
  // output
  std::string format = "table", output = "-", plot, price;
  double fail_if_slower = 0;  // a share
  bool json = false, jsonl = false, force = false, format_given = false, fails_if_slower = false;
  bool form_on_command_line = false;
  // model and machine
  std::string adapter, model_path, device = "auto", dtype = "auto", kv_type = "auto", cpu_isa;
  std::int64_t gpu_memory = -90;
  bool list_models = false, no_mmap = false;
  std::int64_t threads = 0;

  // What is written, or replaced on the way.
  std::vector<std::string> outputs() const {
    if (output == "-") return {plot};
    return {output, output + ".partial", plot};
  }
  std::string form() const;  // how results are written
};

}  // namespace r1
