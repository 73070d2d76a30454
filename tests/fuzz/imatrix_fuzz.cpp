#include <cmath>
#include <cstdlib>

#include "lib/quant/imatrix.h"
#include "tests/fuzz/fuzz.h"

// What is read counts something, and no number of it is none.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    const r1::Imatrix imatrix = r1::Imatrix::parse(bytes, "fuzz");
    if (imatrix.size() == 0) std::abort();
    for (const float sum : imatrix.importance("blk.0.attn_q.weight"))
      if (!std::isfinite(sum) || sum < 0) std::abort();
    imatrix.check({{"blk.0.attn_q.weight", {nullptr, {1, 4}}}});
  });
}
