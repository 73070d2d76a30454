#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "lib/models/network.h"
#include "lib/train/optimizer.h"
#include "lib/train/packing.h"
#include "lib/train/precision.h"
#include "lib/train/rounded_weights.h"
#include "lib/train/schedule.h"
#include "lib/train/weights.h"

namespace r1 {

struct TrainOptions {
  std::int64_t batch = 16;  // packs of a step
  // Packs that go through the network together: another number differs in the last digits alone.
  std::int64_t at_once = 1;
  bool recompute = false;  // layers on the way back: their memory is that of two, and the same bits
  DType precision = DType::f32;  // of products, as WeightCopies says; sums and all else are f32
  double clip = 1;               // the gradient's norm at most; 0: any
  ScheduleOptions schedule;
  OptimizerOptions optimizer;
  double beta = 0.1;  // of DPO, where the data are pairs: how far from the reference it may go
  Dropout dropout;    // of what adapters read; what goes at once has a seed of its own
};

// What is learnt of a network.
struct Learner {
  const Network& network;
  NamedVars weights;                   // all others are left as they are
  const LowRanks* adapters = nullptr;  // matrices among them that stand beside others
  const std::vector<std::uint8_t>* newline = nullptr;  // by token id: does it hold one?
  RoundedWeights* rounded = nullptr;    // what the network reads in their place, or none
  const LowRanks* reference = nullptr;  // beside the network where pairs are held against it
};

// A pack as a network reads it, all of its rows wanted. `newline` is by token id.
Rows network_rows(Graph& g, const Network& network, const std::vector<std::uint8_t>& newline,
                  const Pack& pack);

struct TrainStep {
  std::int64_t step = 0;    // from 1
  double loss = 0;          // nats a trained token, or a pair
  double rate = 0;          // learning rate, of AdamW
  double norm = 0;          // of the gradient before it was clipped
  std::int64_t tokens = 0;  // trained, in this step
  bool skipped = false;     // loss or norm was not finite: nothing was learnt
  double loss_scale = 1;    // that the step had; not 1 with f16
};

// How far a run is.
struct TrainProgress {
  std::int64_t steps = 0, skipped = 0, skipped_in_a_row = 0;  // those skipped are among the steps
  std::int64_t packs = 0;                                     // of the data that it has read
  LossScale scale;
};

// Teaches a network a data set, step by step. The loss is the sum over all trained tokens of the
// step's packs divided by their number, whatever goes through the network at once; of pairs that of
// DPO divided by the number of pairs, its reference being the network without adapters. What goes
// at once has a gradient of its own, and they are added in their order: the same bits for any
// number of threads on `cpu` and `ref`.
class Trainer {
 public:
  // What it is given outlives it. A step in which no token is trained changes nothing.
  Trainer(Backend& backend, const Learner& learner, const Packer& data,
          const TrainOptions& options);

  // Fails with `model` after three skipped steps in a row that no smaller loss scale can mend.
  TrainStep step();
  std::int64_t done() const { return progress_.steps; }
  const std::vector<Tensor>& gradients() const { return sums_; }  // of the last step, by weight
  // Nats a trained token, or a pair, over the first `packs` packs of some data; `before_each` may
  // throw, to end it.
  double evaluate(const Packer& data, std::int64_t packs,
                  const std::function<void()>& before_each = {});

  // What a run goes on with: weights by name and moments, which a checkpoint that is read is
  // written into, and how far it was.
  std::vector<NamedTensor> state() const;
  const TrainProgress& progress() const { return progress_; }
  void go_on(const TrainProgress& progress) { progress_ = progress; }
  // Another number of steps in all, which the schedule goes by from now on.
  void plan_steps(std::int64_t steps) { options_.schedule.steps = steps; }
  std::size_t peak_bytes() const { return arena_.peak_bytes(); }  // of activations

 private:
  // The sum of the losses of a pack's trained tokens; with `share` above 0 it adds gradients, and
  // what is dropped depends on `number`.
  double run(Pack pack, float share, std::int64_t number = 0);
  // `run` of pairs, from where the head begins.
  double run_pairs(Graph& g, const Var& hidden, const Pack& pack, std::span<const double> reference,
                   float share);
  // What the reference says of the pack's pairs; each pair is asked once.
  std::vector<double> references(const Pack& pack);
  double norm();   // of the sums
  void refresh();  // what stands for the weights, after they changed
  void round_products(Graph& g) const;

  Backend& backend_;
  Learner learner_;
  const Packer& data_;
  TrainOptions options_;
  DeviceTensors memory_;
  std::vector<Tensor> sums_;  // of the gradients of a step's packs
  Optimizer optimizer_;
  WeightCopies copies_;
  Arena arena_;
  std::map<const TrainingSample*, double> references_;
  TrainProgress progress_;
};

}  // namespace r1
