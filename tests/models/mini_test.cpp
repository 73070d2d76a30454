// The shipped model gives what its PyTorch definition gives (scripts/reference/model_golden.py).
#include <gtest/gtest.h>

#include "lib/base/bytes.h"
#include "lib/base/json.h"
#include "tests/support/backends.h"
#include "tests/support/run_network.h"

namespace r1 {
namespace {

const std::filesystem::path kRoot = R1_SOURCE_DIR;
constexpr const char* kGolden = "r1_plus_mini_greedy.json";

std::vector<std::int32_t> integers(const Json& list) {
  std::vector<std::int32_t> out;
  for (const Json& id : list.array(kGolden))
    out.push_back(static_cast<std::int32_t>(id.integer(kGolden)));
  return out;
}

TEST(ShippedModel, TheGreedyIdsAreThoseOfItsDefinition) {
  const Json golden = parse_json(read_file(kRoot / "tests/models" / kGolden), kGolden);
  const std::filesystem::path model =
      kRoot / "models" / golden.at("model", kGolden).string(kGolden);
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    if (!candidate.fast()) continue;
    SCOPED_TRACE(candidate.name);
    test::Runner runner(candidate.open(), model);
    runner.newline.resize(static_cast<std::size_t>(runner.network().shape().vocab));
    for (const std::int32_t id : integers(golden.at("newline", kGolden)))
      runner.newline[static_cast<std::size_t>(id)] = 1;
    for (const Json& one : golden.at("cases", kGolden).array(kGolden)) {
      const std::vector<std::int32_t> want = integers(one.at("greedy", kGolden));
      EXPECT_EQ(runner.greedy(integers(one.at("prompt", kGolden)), want.size()), want)
          << one.at("text", kGolden).string(kGolden);
      if (candidate.name == "ref" || candidate.name == "cpu baseline") break;  // they are slow
    }
  }
}

}  // namespace
}  // namespace r1
