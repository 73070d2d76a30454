#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/complete/settings.h"

namespace r1 {

// Fails with `usage` when settings contradict each other, or an output is there already or would
// replace what is read: `others` are too.
void check(const CompleteSettings& settings, const std::vector<std::string>& others);

// The files that the command line names to be read.
std::vector<std::string> inputs_of(const CompleteSettings& settings);

// Likewise when an output would replace the model.
void keep_model(const CompleteSettings& settings, const std::filesystem::path& model);

}  // namespace r1
