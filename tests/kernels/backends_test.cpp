// Which backends the tests of this folder ran on: without this, a machine whose card does not
// answer would pass as one without a card.
#include "tests/support/backends.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(Backends, TheCardAnswers) {
  try {
    const std::unique_ptr<Backend> cuda = open_backend("cuda");
    EXPECT_EQ(cuda->device(), Device::cuda);
    RecordProperty("card", cuda->describe());
  } catch (const Error& e) {
    ASSERT_EQ(e.kind(), ErrorKind::device) << e.what();
    GTEST_SKIP() << "skipped: " << e.what();
  }
}

TEST(Backends, CudaKernelsRunOnThisProcessorToo) {
  for (const test::Candidate& candidate : test::backends())
    if (candidate.name == "cuda-host") return;
  GTEST_SKIP() << "skipped: the shim has no fiber switch for this processor";
}

}  // namespace
}  // namespace r1
