#pragma once

#include "tools/quantize/messages.h"
#include "tools/quantize/report.h"

namespace r1 {

// Writes the folder, unless that is a dry run, and says in the report what it holds.
void make_folder(QuantizeReport& report, Messages& messages);

}  // namespace r1
