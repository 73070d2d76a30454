#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/decode/sampler.h"
#include "lib/models/adapter.h"
#include "lib/models/network.h"
#include "lib/text/chat_template.h"
#include "lib/text/fim.h"
#include "lib/text/tokenizer.h"

namespace r1 {

// What the model's makers sample with (generation_config.json), as far as they say it and do not
// say greedy.
struct MakersSampling {
  std::optional<float> temperature, top_p, min_p;
  std::optional<std::int64_t> top_k;
};
MakersSampling makers_sampling(const ModelFiles& files);

// Everything a task needs of a model, loaded and checked. The backend outlives it.
struct LoadedModel {
  std::string name;  // as asked for
  std::unique_ptr<ModelFiles> files;
  std::unique_ptr<Params> params;
  std::unique_ptr<Network> network;
  std::optional<Adapter> adapter;  // beside its weights
  const LowRanks* low_ranks() const { return adapter ? &adapter->matrices() : nullptr; }
  std::unique_ptr<Tokenizer> tokenizer;
  std::optional<FimForm> fim;
  std::string chat_template;  // its source; empty: none
  MakersSampling sampling;
  std::vector<TokenId> stop_tokens;   // sorted
  std::vector<std::uint8_t> newline;  // by id
  std::size_t longest_token = 1;      // bytes
  std::string quant;                  // "q8_0": the type most weights have
  DType compute = DType::bf16;        // what products are computed in
  DType kv_dtype = DType::bf16;       // what the cache holds
  std::int64_t cache_pages = 0;       // as planned for max_memory; 0: the scheduler's default
};

struct ModelLoadOptions {
  std::string dtype = "auto";    // auto, f32, bf16: what products are computed in
  std::string kv_type = "auto";  // auto: the same; f32, f16, bf16, q8_0: what the cache holds
  bool use_mmap = true;
  std::filesystem::path data_dir;  // of pretokenizers.json
  std::filesystem::path adapter;   // a folder or file of one; empty: none
  std::uint64_t max_memory = 0;    // as memory_limit
  std::int64_t gpu_memory = -90;   // likewise
  std::int64_t batch_size = 16;    // for that plan
};

// The type that the cache of these files holds on a backend. Fails with `usage` where their heads
// are not whole blocks of it.
DType cache_type(const Backend& backend, const ModelFiles& files, const std::string& kv_type,
                 const std::string& dtype);

LoadedModel load_model_with_text(Backend& backend, const std::string& name,
                                 const std::filesystem::path& path,
                                 const ModelLoadOptions& options);

}  // namespace r1
