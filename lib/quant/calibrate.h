#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/parallel.h"
#include "lib/models/network.h"
#include "lib/quant/folder_plan.h"
#include "lib/quant/imatrix.h"
#include "lib/quant/plan.h"

namespace r1 {

// Fails with `model` for the first weight that holds a number that is not finite: calibration would
// name what its products go into.
void need_finite(const ModelFiles& files);

// A model and a text that is typical of what it is asked: what quantization should bear in mind.
struct Calibration {
  Backend& backend;  // on the host
  const Network& network;
  const Params& params;
  std::vector<std::vector<std::int32_t>> windows;  // ids; each window is read by itself
  std::vector<std::uint8_t> newline;               // by id, as Rows
  std::function<void()> step_done = [] {};         // may throw

  bool gguf = true;  // the names of `params` are GGUF's; else those of Hugging Face

  // Reads `count` windows; `seen` hears of the inputs x [T, K] of each product, by its matrix,
  // named as in GGUF.
  using Seen = std::function<void(const std::string& matrix, const Tensor& x)>;
  void run(std::size_t count, const Seen& seen) const;
  // logits [T, V] of a window, by the network as it is or as Graph::replace_weights makes it.
  std::vector<float> logits(const std::vector<std::int32_t>& window,
                            const Graph::Replace& replace) const;
  // Names in GGUF of what `params` holds, by where the numbers lie.
  std::map<const void*, std::string> matrix_names() const;
  // Matrices that share their inputs, such as q, k and v, in the order of the network.
  std::vector<std::vector<std::string>> groups() const;
};

// An importance matrix while a text is read.
class ImatrixSums {
 public:
  void add(const std::string& matrix, const Tensor& x);
  // Of all matrices. Fails with `model` where inputs are not finite.
  Imatrix imatrix() const;

 private:
  struct Sum {
    std::vector<double> squares;  // [K]
    std::int64_t count = 0;       // rows
  };
  std::map<std::string, Sum> sums_;
};
// Of a text that is read for nothing else.
Imatrix collect_imatrix(const Calibration& calibration);

// Blocks of matrices by error feedback (gptq.h), by name. As many passes over the text as it takes
// for Hessians of at most `room` bytes, or one group's; `seen`, if any, hears the first of them.
using PackedTensors = std::map<std::string, std::vector<std::byte>, std::less<>>;
ByteSpan packed_of(const PackedTensors* packed, std::string_view name);  // empty: there is none
PackedTensors pack_by_feedback(const QuantizePlan& plan, const Calibration& calibration,
                               ThreadPool& pool, std::uint64_t room, ImatrixSums* seen = nullptr);
// Of a folder of w4a16 groups (scale_group.h), by name in GGUF.
PackedTensors pack_by_feedback(const FolderPlan& plan, const ModelFiles& files,
                               const Calibration& calibration, ThreadPool& pool, std::uint64_t room,
                               ImatrixSums* seen = nullptr);

}  // namespace r1
