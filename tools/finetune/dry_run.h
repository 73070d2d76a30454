#pragma once

#include <algorithm>
#include <string>

#include "lib/tasks/memory_plan.h"
#include "tools/finetune/lessons.h"
#include "tools/finetune/pupil.h"

namespace r1 {

// The memory that a run takes at most, in bytes, and the work of a step. Found by going through a
// step of full sequences without computing it.
struct TrainingPlan {
  std::uint64_t weights = 0;       // of the model
  std::uint64_t copies = 0;        // of what is learnt, rounded for products
  std::uint64_t adapter = 0;       // its own
  std::uint64_t gradients = 0;     // of a sequence, and their sums
  std::uint64_t moments = 0;       // of the optimizer
  std::uint64_t activations = 0;   // of a sequence, with their gradients
  std::uint64_t checkpoint = 0;    // while one is written
  std::uint64_t samples = 0;       // the cache of --sample-prompt
  std::uint64_t verification = 0;  // what was exported, opened again: behind the last checkpoint
  std::uint64_t program = MemoryPlan().program;
  std::uint64_t disk = 0;                // not memory: checkpoints and the export
  double operations = 0;                 // of a step, in products and in attention
  double data_operations = 0, peak = 0;  // of a step of the data; a second, 0: not known

  std::uint64_t total() const {
    return weights + copies + adapter + gradients + moments + activations + samples +
           std::max(checkpoint, verification) + program;
  }
};
// Fails as the run would before its first step.
TrainingPlan plan_training(const FinetuneSettings& settings, const ModelFiles& files,
                           const TextOfModel& text);

// Of a step of the data, the mean of the first: operations as above, and tokens that are learnt.
// What is asked once in a run, as the reference of DPO is, is left out.
struct StepWork {
  double operations = 0, tokens = 0;
  double fp8_share = 0;  // of the operations of products with weights, those in 8 bits
  // Most products are of bf16: where they are asked for, or where gradients go through blocks.
  bool in_bf16 = false;
};
StepWork work_of_step(const FinetuneSettings& settings, const ModelFiles& files,
                      const TextOfModel& text, const Packer& packs);

// Operations a second that all threads reach in products of bf16 or of f32, on registers alone, in
// good moments of a tenth of a second; 0: not known, as of a card.
double product_peak(Backend& backend, bool in_bf16);

// Fails where a run takes more than --max-memory or, on the host, than the machine has, and says
// what takes less.
void want_memory(const FinetuneSettings& settings, const TrainingPlan& plan, bool on_host);

// What --dry-run prints: data, plan, and a sample.
struct Rehearsal {
  TrainingPlan plan;
  std::string text;
};
Rehearsal dry_run(const FinetuneSettings& settings, const ModelFiles& files,
                  const TextOfModel& text, const Lessons& lessons);

}  // namespace r1
