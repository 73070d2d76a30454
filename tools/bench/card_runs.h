#pragma once

#include "tools/bench/op_case.h"

namespace r1 {

// What a card and its link to the host are measured by. Bytes are read and written; over the link
// they count once.
OpRun card_copy(OpInputs& in);                        // in its memory, beyond its caches
OpRun card_product(OpInputs& in, std::int64_t side);  // of square bf16 matrices
OpRun link_copy(OpInputs& in, bool to_card);          // as the backend copies: from any memory
double product_bytes(std::int64_t side);
// Bytes that a measurement may take of the card: a quarter of what is free.
double room_on(const Backend& backend);

}  // namespace r1
