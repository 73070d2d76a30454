#pragma once

#include <filesystem>

#include "tools/finetune/settings.h"

namespace r1 {

// A model that has learnt nothing, of --init and --tokenizer, as a folder: what the run then
// teaches. One that is there whole stays. Fails with `usage` for what makes none.
void write_start(const FinetuneSettings& settings, const std::filesystem::path& folder);
// Its files alone: whatever else lies there is somebody's.
void remove_start(const std::filesystem::path& folder);

}  // namespace r1
