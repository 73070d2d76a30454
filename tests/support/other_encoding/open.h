#pragma once

#include <memory>

#include "lib/backend/backend.h"

namespace r1::test {

// `cpu` of level avx2_vnni whose instructions have the encoding of AVX-512. Fails with `device`
// where the processor does not know that one either.
std::unique_ptr<Backend> open_other_encoding(int threads);

}  // namespace r1::test
