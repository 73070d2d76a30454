#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "tools/finetune/pupil.h"

namespace r1 {

// What was written differs from the model in memory by so many nats a token: by no more than the
// types it is written in usually cost, or else by what rounding to them costs this model.
struct Verification {
  double divergence = 0;
  bool rounding = false;  // more than usual
};

// Opens what was written into a folder, and holds its logits over `packs` against those of the
// model in memory. Fails with `model` where they differ by more than rounding, and where a text
// becomes other tokens than with the base.
Verification verify_export(const FinetuneSettings& settings, const Pupil& pupil,
                           const TextOfModel& text, const std::vector<Pack>& packs,
                           const std::filesystem::path& folder);

// The memory that takes, beside what is there.
std::uint64_t verification_bytes(const FinetuneSettings& settings, const ModelFiles& base);

}  // namespace r1
