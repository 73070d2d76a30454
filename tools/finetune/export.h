#pragma once

#include <string>
#include <vector>

#include "tools/finetune/pupil.h"
#include "tools/finetune/verify.h"

namespace r1 {

constexpr std::int64_t kVerified = 8;  // packs that an export is verified by

inline constexpr const char* kModelFile = "model.gguf";

// What of --export is meant.
std::string export_kind(const FinetuneSettings& settings, const ModelFiles& base);
bool exports_adapter(const std::string& kind);
// The type of 16 bits that a base is in, or may as well be.
std::string half_type(const ModelFiles& base);

// Fails with `usage` for an export that this base and method have not. Before the work.
void check_export(const FinetuneSettings& settings, const ModelFiles& base);

// What it takes on disk, with what it is made of meanwhile; `adapter` bytes are of one.
std::uint64_t export_bytes(const FinetuneSettings& settings, const ModelFiles& base,
                           std::uint64_t adapter);

// Fails with `interrupted` after a signal: what was learnt is in a checkpoint.
void stop_export_when_interrupted();

// Writes what was learnt into a folder, opens it again and holds its logits over `packs` against
// those of the model in memory. Fails as `verify_export`, and after a signal.
Verification export_trained(const FinetuneSettings& settings, const Pupil& pupil,
                            const TextOfModel& text, const std::vector<Pack>& packs,
                            const std::filesystem::path& folder);

}  // namespace r1
