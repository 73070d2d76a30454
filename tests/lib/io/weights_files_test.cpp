#include "lib/io/weights_files.h"

#include <gtest/gtest.h>

#include "lib/base/json.h"
#include "tests/support/fails.h"

namespace r1 {
namespace {

using Groups = std::vector<std::vector<NamedTensor>>;

// Labels of one byte for each weight.
NamedTensor bytes(const std::string& name, std::int64_t count) {
  return {name, {nullptr, {count}, DType::f8_e4m3}};
}

TEST(WeightsFiles, OneHoldsAllThatFits) {
  const auto files = weights_files({{bytes("a", 4)}, {bytes("b", 6)}}, 10);
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].name, "model.safetensors");
  EXPECT_EQ(files[0].bytes(), 10u);
  EXPECT_EQ(weights_index(files), "");
}

TEST(WeightsFiles, AGroupIsNotParted) {
  const Groups groups = {
      {bytes("a", 4)}, {bytes("b", 5), bytes("b.scale", 2)}, {bytes("c", 30)}, {bytes("d", 1)}};
  const auto files = weights_files(groups, 10);
  ASSERT_EQ(files.size(), 4u);
  EXPECT_EQ(files[1].name, "model-00002-of-00004.safetensors");
  EXPECT_EQ(files[1].first, 1u);
  EXPECT_EQ(files[1].end, 2u);
  EXPECT_EQ(files[1].tensors.size(), 2u);
  const Json index = parse_json(weights_index(files), "the index");
  EXPECT_EQ(index.at("metadata", "").at("total_size", "").integer(""), 42);
  EXPECT_EQ(index.at("weight_map", "").at("b.scale", "").string(""), files[1].name);
  EXPECT_EQ(index.at("weight_map", "").at("d", "").string(""), files[3].name);
}

TEST(WeightsFiles, MoreThanAreReadAreRefused) {
  const Groups groups(1001, {bytes("w", 2)});
  EXPECT_FAILS(ErrorKind::usage, "files of 1 bytes would be 1001; at most 1000 are read",
               weights_files(groups, 1));
}

}  // namespace
}  // namespace r1
