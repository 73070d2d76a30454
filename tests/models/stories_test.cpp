// A real model with known answers: stories260K reproduces its 256 greedy ids.
#include <cmath>

#include <gtest/gtest.h>

#include "lib/base/json.h"
#include "tests/support/backends.h"
#include "tests/support/run_network.h"
#include "tests/support/temp_dir.h"
#include "tests/support/to_gguf.h"

namespace r1 {
namespace {

const std::filesystem::path kStories = std::filesystem::path(R1_TEST_DATA) / "text/stories260K";

class Stories : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kStories)) GTEST_SKIP() << "skipped: no " << kStories;
    expected_ = parse_json(read_file(kStories / "expected_greedy.json"), "expected_greedy.json");
  }
  std::vector<std::int32_t> ids() const {
    std::vector<std::int32_t> out;
    for (const Json& id : expected_.at("greedy_ids_from_bos", "e").array("e"))
      out.push_back(static_cast<std::int32_t>(id.integer("e")));
    return out;
  }
  Json expected_;
};

TEST_F(Stories, EveryBackendGivesThe256GreedyIds) {
  const std::vector<std::int32_t> want = ids();
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    if (!candidate.fast()) continue;
    test::Runner runner(candidate.open(), kStories);
    std::vector<std::int32_t> have = runner.greedy({want[0]}, want.size() - 1);
    have.insert(have.begin(), want[0]);
    EXPECT_EQ(have, want) << candidate.name;
  }
}

TEST_F(Stories, AsGgufOnEveryBackendToo) {
  const test::TempDir dir;
  test::GgufOf(kStories).write(dir / "stories.gguf");
  const std::vector<std::int32_t> want = ids();
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    if (!candidate.fast()) continue;
    test::Runner runner(candidate.open(), dir / "stories.gguf");
    std::vector<std::int32_t> have = runner.greedy({want[0]}, want.size() - 1);
    have.insert(have.begin(), want[0]);
    EXPECT_EQ(have, want) << candidate.name;
  }
}

TEST_F(Stories, TheFirstLogitsAreThePublishedOnes) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    test::Runner runner(candidate.open(), kStories);
    const std::vector<float> logits = runner.whole({ids()[0]});
    const Json::Array& first = expected_.at("logits_pos0_first8", "e").array("e");
    for (std::size_t i = 0; i < first.size(); ++i)
      EXPECT_NEAR(logits[i], first[i].number("e"), 2e-4) << candidate.name;
    double sum = 0;
    for (const float l : logits) sum += l;
    EXPECT_NEAR(sum, expected_.at("logits_pos0_sum", "e").number("e"), 512 * 2e-5)
        << candidate.name;
  }
}

TEST_F(Stories, StepByStepChunkedAndWholeAreTheSameBits) {
  std::vector<std::int32_t> text = ids();
  text.resize(150);
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    if (!candidate.exact()) continue;
    test::Runner runner(candidate.open(), kStories);
    const std::vector<float> steps = runner.in_chunks(text, 1);
    for (const std::size_t chunk : {7u, 64u, 150u})
      EXPECT_EQ(runner.in_chunks(text, chunk), steps)
          << candidate.name << " in chunks of " << chunk;
  }
}

}  // namespace
}  // namespace r1
