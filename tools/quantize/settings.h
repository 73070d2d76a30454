#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/common/program.h"

namespace r1 {

// What the command line of r1-quantize says; the defaults are here.
struct QuantizeSettings {
  std::vector<std::string> operands;  // IN
  std::string output;
  // types
  std::string type, output_type, embed_type;
  std::vector<std::string> tensor_types, keep;
  bool pure = false;
  double target_bpw = 0;  // 0: not asked for
  // quality
  std::string method = "search", imatrix, imatrix_out, calibration;
  std::int64_t calibration_tokens = 32768;
  bool awq = false, allow_requantize = false;
  // safety and output
  bool no_verify = false, dry_run = false, force = false, resume = false, json = false;
  std::string manifest;
  std::int64_t shard_size = 5'000'000'000;
  bool cuts_shards = false;  // --shard-size was given
  // model and machine
  std::string model_path;
  bool list_models = false;
  std::int64_t threads = 0;
};

Program quantize_program(QuantizeSettings& settings, StandardOptions& standard);

}  // namespace r1
