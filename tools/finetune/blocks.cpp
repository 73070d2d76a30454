#include "tools/finetune/blocks.h"

#include <vector>

#include "lib/quant/quantize_model.h"
#include "lib/quant/search.h"
#include "lib/quant/types.h"
#include "lib/tensor/quant_block.h"
#include "tools/common/models.h"

namespace r1 {

QuantizePlan plan_blocks(const FinetuneSettings& s, const ModelFiles& files) {
  return plan_quantization(files, {.mix = &mix_named(s.export_type)}, true, data_folder());
}

RoundedWeights::Types block_types(const FinetuneSettings& s, const ModelFiles& base) {
  std::map<const void*, std::string> names;  // by where the numbers lie in the base's files
  for (const NamedTensor& t : base.tensors()) names[t.tensor.data] = t.name;
  RoundedWeights::Types types;
  for (const PlannedTensor& t : plan_blocks(s, base).tensors)
    if (const auto name = names.find(t.from().data); name != names.end() && t.to != DType::f32)
      types[name->second] = t.to;
  return types;
}

void round_to_blocks(std::span<float> row, DType type) {
  std::vector<std::byte> blocks(row.size() / static_cast<std::size_t>(block_elements(type)) *
                                block_bytes(type));
  pack_row(blocks.data(), row, {}, type);
  unpack(row, blocks.data(), type);
}

}  // namespace r1
