#pragma once

#include <span>
#include <string_view>

namespace r1 {

// What other programs call something, without dashes: llama.cpp's tools, transformers with its
// Trainer, peft, mlx_lm. Not every tool of ours has each of these options.
struct OtherName {
  std::string_view theirs, ours;
};
std::span<const OtherName> other_names();

}  // namespace r1
