// Which backends the tests of this folder ran on: without this, a machine whose card does not
// answer would pass as one without a card.
#include "tests/support/backends.h"

#include <cstdlib>

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

TEST(Backends, ACopyIsEveryByteAndNoMore) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    SCOPED_TRACE(candidate.name);
    test::Rig rig(candidate);
    const std::vector<float> values = test::random_values(257, 1);
    const Tensor from = rig.put({257}, values), to = rig.put({258}, std::vector<float>(258, 7.0f));
    rig->copy(to, from);
    std::vector<float> want = values;
    want.push_back(7.0f);
    EXPECT_EQ(rig.get(to), want);
  }
}

// The cpu says nothing; a card says what records of r1-bench name.
TEST(Backends, ACardSaysWhatItIs) {
  EXPECT_EQ(open_backend("cpu")->info().name, "");
  for (const test::Candidate& candidate : test::backends()) {
    if (!candidate.name.starts_with("cuda")) continue;
    const DeviceInfo info = candidate.open()->info();
    EXPECT_NE(info.name, "");
    EXPECT_TRUE(info.architecture.starts_with("sm_")) << info.architecture;
    EXPECT_NE(info.cuda.find('.'), std::string::npos) << info.cuda;
    EXPECT_GT(info.processors, 0);
    EXPECT_GT(info.cache_bytes, 0u);
  }
}

// The test "management" of tests.cmake runs it beside a made-up library of the driver.
TEST(Backends, ACardNamesItsDriverAndItsLink) {
  const bool made_up = std::getenv("R1_FAKE_MANAGEMENT") != nullptr;
  int asked = 0;
  for (const test::Candidate& candidate : test::backends()) {
    if (candidate.name != (made_up ? "cuda-host" : "cuda")) continue;
    ++asked;
    const DeviceInfo info = candidate.open()->info();
    EXPECT_NE(info.driver.find('.'), std::string::npos) << info.driver;
    EXPECT_TRUE(info.link.starts_with("PCIe ")) << info.link;
    if (made_up) {
      EXPECT_EQ(info.driver + ", " + info.link, "999.01, PCIe 5 x16");
    }
  }
  if (asked == 0) GTEST_SKIP() << "skipped: no card answers";
}

TEST(Backends, AResetPeakIsWhatIsUsed) {
  for (const test::Candidate& candidate : test::backends()) {
    if (!candidate.name.starts_with("cuda")) continue;
    const auto backend = candidate.open();
    const std::uint64_t before = backend->memory().used;
    { const Buffer gone(*backend, 1000); }
    EXPECT_GE(backend->memory().peak, before + 1000);
    backend->reset_peak();
    EXPECT_EQ(backend->memory().peak, before);
  }
}

TEST(Backends, CudaKernelsRunOnThisProcessorToo) {
  for (const test::Candidate& candidate : test::backends())
    if (candidate.name == "cuda-host") return;
  GTEST_SKIP() << "skipped: the shim has no fiber switch for this processor";
}

}  // namespace
}  // namespace r1
