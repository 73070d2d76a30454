#pragma once

#include <span>

#include "lib/quant/plan.h"
#include "lib/train/rounded_weights.h"
#include "tools/finetune/settings.h"

namespace r1 {

// How a .gguf file of these weights is written, by --export-type.
QuantizePlan plan_blocks(const FinetuneSettings& settings, const ModelFiles& files);

// The types that the base's weights get there, where a number may change.
RoundedWeights::Types block_types(const FinetuneSettings& settings, const ModelFiles& base);

// A row becomes what the blocks of it stand for that such a file holds.
void round_to_blocks(std::span<float> row, DType type);

}  // namespace r1
