#pragma once

#include <string>
#include <vector>

#include "tools/finetune/pupil.h"

namespace r1 {

inline constexpr const char* kModelFile = "model.gguf";

// What of --export is meant.
std::string export_kind(const FinetuneSettings& settings, const ModelFiles& base);
bool exports_adapter(const std::string& kind);

// Fails with `usage` for an export that this base and method have not. Before the work.
void check_export(const FinetuneSettings& settings, const ModelFiles& base);

// Writes what was learnt into DIR, opens it again and holds its logits over `packs` against those
// of the model in memory; only then do files take their names. Returns the divergence found, in
// nats. Fails with `model` where it is too large.
double export_trained(const FinetuneSettings& settings, const Pupil& pupil, const TextOfModel& text,
                      const std::vector<Pack>& packs);

}  // namespace r1
