#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// r1: run language models on this machine. The whole public face of the library.
//
//   const auto model = r1::Model::from_pretrained("./model.gguf");
//   r1::CodeCompletionPipeline complete(model);
//   std::puts(complete("def fib(n):\n").text.c_str());
namespace r1 {

struct ModelOptions {
  std::string device = "auto";   // auto, cpu, cuda, ref
  std::string dtype = "auto";    // auto, f32, bf16: to multiply in
  int threads = 0;               // 0: one per physical core
  std::string kv_type = "auto";  // auto: as dtype; f32, f16, bf16, q8_0: of the cache
  std::string share = {};        // folder of models/ and pretokenizers.json; empty: as configured
};

// A model with its tokenizer, ready to run. Copies share it; it lives as long as the last of them.
class Model {
 public:
  // A .gguf file, a Hugging Face directory, or a name as `r1-complete -m` takes it.
  // Throws r1::Error, a std::runtime_error whose text names what is wrong.
  static Model from_pretrained(const std::string& name_or_path, const ModelOptions& options = {});

  struct Inside;
  const std::shared_ptr<Inside>& inside() const { return inside_; }

 private:
  std::shared_ptr<Inside> inside_;  // shared: pipelines hold the model they were made from
};

struct CompletionSettings {
  std::int64_t max_tokens = 128;
  float temperature = 0.0f;  // 0: greedy
  float top_p = 1.0f;
  std::int64_t top_k = 0;
  std::uint64_t seed = 0;
  std::vector<std::string> stop;
  std::string suffix;  // not empty: fill in between prompt and suffix
};

struct Completion {
  std::string text;
  std::string finish_reason;  // stop, length, time
  std::int64_t prompt_tokens = 0, completion_tokens = 0;
};

// Completes code or text. Calls from several threads take turns.
class CodeCompletionPipeline {
 public:
  explicit CodeCompletionPipeline(Model model);
  Completion operator()(std::string_view prompt, const CompletionSettings& settings = {}) const;
  // All at once, over one batch; results in the order of the prompts. Throws for the first that
  // fails: what the others became is lost.
  std::vector<Completion> operator()(const std::vector<std::string>& prompts,
                                     const CompletionSettings& settings = {}) const;

 private:
  Model model_;
};

}  // namespace r1
