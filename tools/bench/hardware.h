#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/bench/machine.h"
#include "tools/bench/probes.h"

namespace r1 {

// The limits as they were just now; bytes and operations a nanosecond. Of a card reading is as fast
// as copying, and no thread and no latency is its own.
struct Limits {
  double read_one = 0, read_all = 0, copy = 0, latency_ns = 0;
  std::map<DType, double> products;  // by the weight's type: f32, bf16, q8_0
};
Limits measure_limits(Probes& probes);

// A decoder by its shape, as published.
struct ModelShape {
  std::string name;
  std::int64_t layers, width, inner, heads, kv_heads, head_dim, vocab;
  bool tied;
  double weights() const;                         // all matrices
  double layered() const;                         // those of the layers
  double multiplied() const;                      // and the head: what an answer's tokens meet
  double cache_bytes(std::int64_t tokens) const;  // in bf16
};
const std::vector<ModelShape>& model_shapes();

// A shape in a type, and what the limits allow it at most.
struct Prospect {
  std::string model, type;
  double memory = 0;  // bytes: weights with a tenth for the program's own, and 4096 positions
  bool fits = false;
  // Tokens a second, at most; 0: not known. The head is wanted once a prompt, however long.
  double prefill = 0, decode = 0;
};
std::vector<Prospect> prospects(const Limits& limits, double available_bytes);

struct Card {
  DeviceInfo info;
  DeviceMemory memory;
  Limits limits;
  double to_card = 0, to_host = 0;  // bytes a nanosecond
};
Card look_at_card(Probes& probes);

struct Hardware {
  CpuInfo cpu;
  std::string device;  // that the processor's figures are of
  int threads = 0;
  Limits limits;
  std::int64_t available = 0;  // bytes of memory
  std::optional<Card> card;
};
// Everything, for people or as one JSON document.
std::string hardware_text(const Hardware& hardware);
std::string hardware_json(const Hardware& hardware);

}  // namespace r1
