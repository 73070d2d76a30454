#pragma once

#include <filesystem>

#include "tools/complete/settings.h"

namespace r1 {

// Fails with `usage` when settings contradict each other, or an output is there already.
void check(const CompleteSettings& settings);

// Likewise when an output would replace the model.
void keep_model(const CompleteSettings& settings, const std::filesystem::path& model);

}  // namespace r1
