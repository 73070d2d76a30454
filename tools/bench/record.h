#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/backend/backend.h"
#include "lib/base/json.h"
#include "tools/bench/statistics.h"

namespace r1 {

inline constexpr std::string_view kBenchSchema = "r1.bench/1";

struct MeasuredModel {
  std::string name, digest, quant;
  std::int64_t bytes = 0, parameters = 0;
};

// What was run. Counts that mean nothing for a kind of test stay away.
struct TestInfo {
  std::string kind;  // prefill, decode, serve, quality, memory, product, link, disk, op
  std::optional<std::int64_t> prompt_tokens, max_tokens, depth, batch_size;
  std::string device, dtype;    // "cpu (avx512), threads: 2"; "bf16", or empty
  std::string kv_type;          // of the cache; empty: there is none
  std::int64_t iterations = 1;  // runs in each sample, whose time is that of one
};

// The hardware limit a test runs into first, probed just before and just after it.
struct Limit {
  std::string name;  // memory, products
  double gb_per_s = 0, tflop_per_s = 0;
  double floor_ns = 0;  // a run cannot be faster, unless it leaves out work
};

struct Percentiles {
  double p50 = 0, p90 = 0, p99 = 0;
};
struct OverStatic {  // how many times as many, between which bounds
  double ratio = 0;
  std::optional<double> low, high;
};
struct ServeInfo {
  std::int64_t requests = 0, seed = 0;
  double rate = 0;  // requests a second; 0: all at once
  std::string lengths;
  Percentiles ttft_ms;
  std::optional<Percentiles> per_token_ms;  // none where no answer has a second token
  std::optional<OverStatic> over_static;    // tokens per second
};

// How well a model predicts a text. Accuracies are shares, divergences nats.
struct QualityInfo {
  std::string text;                    // its name
  std::int64_t window = 0;             // positions
  std::int64_t tokens = 0, bytes = 0;  // that counted
  Estimate perplexity, bits_per_byte;
  Estimate accuracy;  // the token that follows was the most likely one
  struct AgainstBase {
    std::string name;
    Estimate perplexity;  // over the base's
    Estimate kl;          // KL(base || model)
    Estimate top1;        // both find the same token most likely
  };
  std::optional<AgainstBase> base;
};

// One line of the result. Times are nanoseconds, sizes bytes.
struct BenchRecord {
  std::int64_t index = 0;
  std::string id;  // "pp512", "tg128@d4096,b8", "op:rms_norm/512x2048"
  std::optional<MeasuredModel> model;
  TestInfo test;
  DeviceInfo card;                 // empty: none was used
  std::vector<double> samples_ns;  // empty when it failed
  double tokens = 0;               // of one run; 0: this test has none
  std::optional<double> ttft_ns, load_ns, gb_per_s, tflop_per_s;
  std::optional<Limit> limit;
  std::optional<ServeInfo> serve;
  std::optional<QualityInfo> quality;
  std::optional<std::int64_t> peak_rss, peak_vram;
  std::optional<double> interference;  // share of the CPU time that other processes had
  std::optional<double> price_per_hour;
  std::string output_digest;  // of the last logits: did the answer move?
  std::string time;           // when it began, RFC 3339
  std::vector<std::string> warnings;
  std::string error_code, error;
  bool error_retryable = false;
  bool skipped = false;

  bool failed() const { return !error_code.empty(); }
  double median_ns() const;
  std::optional<double> tokens_per_s() const;
  std::optional<double> share_of_peak() const;
  std::optional<double> price_per_million() const;  // in whatever the price was in
};

// The record with all its fields, in their fixed order.
Json to_json(const BenchRecord& record);
std::string json_text(const Json& json);  // one line, without newline

// The model's name without folders, and its type: "m.gguf (q8_0)"; empty without a model.
std::string shown_model(const BenchRecord& record);
std::string short_name(const std::string& model);  // the last part of a path

}  // namespace r1
