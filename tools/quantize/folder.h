#pragma once

#include <cstdint>
#include <string>

#include "tools/common/ui.h"
#include "tools/quantize/report.h"

namespace r1 {

// Does this name a folder? Whatever does not end in .gguf.
bool is_folder(const std::string& output);

// Fails with `usage` for options that a folder has no use for.
void check_folder(const QuantizeSettings& settings);

// Writes the folder, unless that is a dry run, and says in the report what it holds.
void make_folder(QuantizeReport& report, const Ui& ui);

}  // namespace r1
