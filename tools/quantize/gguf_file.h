#pragma once

#include "tools/quantize/messages.h"
#include "tools/quantize/report.h"

namespace r1 {

// Writes the .gguf file, or its shards, unless that is a dry run, and says in the report what it
// holds.
void make_gguf(QuantizeReport& report, Messages& messages);

}  // namespace r1
