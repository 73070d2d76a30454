#pragma once

#include <filesystem>
#include <vector>

#include "tools/finetune/pupil.h"

namespace r1 {

// Opens what was written into a folder, and holds its logits over `packs` against those of the
// model in memory. Returns the divergence found, in nats. Fails with `model` where it is too large,
// and where a text becomes other tokens than with the base.
double verify_export(const FinetuneSettings& settings, const Pupil& pupil, const TextOfModel& text,
                     const std::vector<Pack>& packs, const std::filesystem::path& folder);

}  // namespace r1
