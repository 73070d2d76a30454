#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace r1 {

// How the angles of rope are stretched for longer texts than the model was trained on.
struct RopeScaling {
  enum class Kind { none, linear, llama3, yarn } kind = Kind::none;
  double factor = 1, original_context = 0;
  double low = 1, high = 4;                // llama3
  double beta_fast = 32, beta_slow = 1;    // yarn
  std::optional<double> attention_factor;  // yarn: the magnitude itself
  double attn_factor = 1;                  // yarn: multiplies the usual magnitude
  double mscale = 0,
         mscale_all_dim = 0;  // yarn: when both are given, the usual magnitude is
                              // m(mscale) / m(mscale_all_dim), m(a) = 0.1 a ln factor + 1
};

// w_i of each pair, i = 0 … dims/2 - 1: theta^(-2i/dims), scaled.
// llama3: Llama 3.1's published rule. yarn: arXiv:2309.00071, 3.2 and 3.3.
std::vector<float> rope_frequencies(std::int64_t dims, double theta, const RopeScaling& scaling);
// What cos and sin are multiplied by: 1 but for yarn.
float rope_magnitude(const RopeScaling& scaling);

}  // namespace r1
