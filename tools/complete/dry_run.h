#pragma once

#include "lib/tasks/memory_plan.h"
#include "tools/complete/settings.h"

namespace r1 {

// What --dry-run prints: the model, the memory, and for each input whether it would be run, skipped
// or an error, its bytes and where its result would go. Standard input is not read. `failed` counts
// the errors.
std::string dry_run(const CompleteSettings& settings, const std::string& model,
                    const ModelFiles& files, const MemoryPlan& plan, const std::string& recipe,
                    std::int64_t& failed);

}  // namespace r1
