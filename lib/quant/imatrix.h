#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/output.h"
#include "lib/io/safetensors.h"

namespace r1 {

// What calibration saw: for each matrix [N, K] the mean square of each of its K inputs. In files as
// llama.cpp's GGUF form (tools/imatrix, 2026-08): tensors NAME.in_sum2 [1, K] and NAME.counts [1],
// general.type "imatrix", and of the text imatrix.datasets, chunk_count and chunk_size, without
// which its quantizer reads none.
class Imatrix {
 public:
  struct Entry {
    std::vector<float> sum2;  // [K]: sums of squares
    float count = 0;          // rows they were summed over
  };

  // What it was found on.
  struct Text {
    std::string name;
    std::uint32_t windows = 0, window = 0;  // how many, and of how many tokens
  };

  // Fails with `usage` for what is no such file and for numbers that are none, as GgufFile for what
  // is no GGUF file.
  static Imatrix parse(ByteSpan bytes, const std::string& name);
  void write(Output& out, const Text& text) const;
  std::string digest() const;  // SHA-256 of all there is in it

  // For tensors under their GGUF names. Fails with `usage` when a length is another one, and when
  // it knows none of them.
  void check(const std::vector<NamedTensor>& tensors) const;
  std::span<const float> importance(std::string_view name) const;  // [K], or empty
  void add(const std::string& name, Entry entry);
  std::size_t size() const { return entries_.size(); }

 private:
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace r1
