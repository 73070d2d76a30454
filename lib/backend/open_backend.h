#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "lib/backend/backend.h"

namespace r1 {

struct BackendOptions {
  int threads = 0;               // cpu: 0 for one per physical core
  std::string_view cpu_isa;      // cpu: the level, such as "avx2"; empty: the best there is
  bool batch_invariant = false;  // cuda: a row's bits do not depend on the batch, at some cost; the
                                 // others always keep that
};

// The only door to the kernels, which define it: "ref", "cpu", "cuda", or "auto" (cuda when a
// device answers, else cpu). Fails with `device` when that one cannot be had, with `usage` when
// there is none so named.
std::unique_ptr<Backend> open_backend(std::string_view name, const BackendOptions& options = {});

// The cards that the CUDA module beside this executable was built for: "sm_80,sm_90a"; empty when
// there is none. Looks for a file and opens nothing.
std::string cuda_cards();

}  // namespace r1
