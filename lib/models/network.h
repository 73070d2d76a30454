#pragma once

#include <cstdint>
#include <memory>

#include "lib/nn/graph.h"
#include "lib/nn/kv_cache.h"
#include "lib/nn/params.h"

namespace r1 {

// The rows of one step, on the device. All i32 [T] but where said.
struct Rows {
  Tensor ids;
  Tensor position;  // in its sequence or document: what rope sees
  Tensor start;     // first row, in this step, of the same sequence or document
  Tensor newline;   // 1 where the token's bytes hold a newline; only DAW reads it, else empty
  Tensor wanted;    // i32 [R]: rows whose logits are wanted; empty: all

  // Only when decoding over a cache; without it attention runs over the documents in the step.
  const KvCache* cache = nullptr;
  Tensor sequence;               // row of `table`
  Tensor table;                  // i32 [S, pages per sequence]
  std::int64_t longest_run = 1;  // as in AttentionOptions
};

struct NetworkShape {
  std::int64_t layers = 0, width = 0, vocab = 0, context = 0;
  KvShape kv;  // dtype not yet chosen
  bool needs_newline = false;
};

// A decoder: ids in, logits out. Written once; it does not know whether it is trained.
class Network {
 public:
  virtual ~Network() = default;
  // What the head reads: rows normed for the last time, [R, D].
  virtual Var hidden(Graph& g, const Rows& rows) const = 0;
  virtual const Var& head() const = 0;  // [V, D]
  // Logits [R, V].
  Var forward(Graph& g, const Rows& rows) const { return g.linear(hidden(g, rows), head()); }
  virtual const NetworkShape& shape() const = 0;
};

// Reads the description, takes every tensor and leaves none over. Fails with `model`.
std::unique_ptr<Network> load_network(const ModelFiles& files, Params& params);

}  // namespace r1
