#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "lib/io/weights.h"
#include "lib/models/rope_frequencies.h"
#include "lib/nn/kv_cache.h"

namespace r1 {

// One dense decoder, whatever its family: what differs between families is a field here.
// Filled from config.json or from GGUF keys; every number is checked on the way.
struct DecoderConfig {
  std::string_view architecture;  // as GGUF names it: "llama" for Mistral too
  std::int64_t layers = 0, width = 0, vocab = 0, context = 0;
  float eps = 1e-6f;
  struct Daw {
    bool newline = false, gain = false;
  };
  struct Attention {
    std::int64_t heads = 0, kv_heads = 0, head_dim = 0;
    bool qkv_bias = false, out_bias = false;
    bool qk_norm = false;              // rms_norm by head, before rope
    std::vector<std::int64_t> window;  // by layer; 0: none
    std::optional<Daw> daw;
  } attention;
  struct Rope {
    std::vector<float> frequencies;  // [hd/2], all scaling done: linear, llama3, yarn
    float magnitude = 1.0f;          // of cos and sin: yarn
    bool interleaved = false;        // pairs (2i, 2i + 1): GGUF of architecture llama
    double theta = 0;                // what the two were made from
    RopeScaling scaling;
  } rope;
  std::int64_t inner = 0;  // of the SwiGLU
  bool tied = false;       // no tensor of its own for the head
};

// Do GGUF files of this architecture hold q and k rows in pairs?
bool gguf_interleaves(std::string_view architecture);

// Fails with `model` for a GGUF file of an unknown architecture (its name is said) or of none.
void check_architecture(const GgufFile& gguf);

// Fails with `model` for an unknown architecture (its name is said) and for values out of range.
DecoderConfig read_decoder_config(const ModelFiles& files);

KvShape kv_shape(const DecoderConfig& config);  // of the type that it has if nobody chooses one

}  // namespace r1
