#include "tools/common/settings.h"

#include <gtest/gtest.h>

#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

class SettingsTest : public testing::Test {
 protected:
  SettingsTest() {
    program_.name = "r1-complete";
    program_.options.push_back({.name = "stop", .into = &stop_, .metavar = "TEXT"});
    program_.options.push_back({.name = "rate", .into = &rate_, .metavar = "X"});
    program_.options.push_back({.name = "most", .into = &most_, .metavar = "N"});
  }
  void read(const std::string& text, const std::string& table = "r1-complete") {
    test::write_bytes(dir_ / "c.toml", "[" + table + "]\n" + text);
    Settings(program_, {}).from_config((dir_ / "c.toml").string());
  }

  test::TempDir dir_;
  Program program_;
  std::vector<std::string> stop_;
  double rate_ = 0;
  std::int64_t most_ = 0;
};

TEST_F(SettingsTest, TheLaterListCountsThoughItIsEmpty) {
  read("stop = [\"a\", \"b\"]\n");
  EXPECT_EQ(stop_, (std::vector<std::string>{"a", "b"}));
  read("stop = [\"c\"]\n");
  EXPECT_EQ(stop_, (std::vector<std::string>{"c"}));
  read("stop = []\n");
  EXPECT_TRUE(stop_.empty());
}

TEST_F(SettingsTest, NumbersAreThoseOfToml) {
  read("rate = 2e-4\nmost = 10_000\n");
  EXPECT_EQ(rate_, 2e-4);
  EXPECT_EQ(most_, 10000);
  read("rate = +0.5\nmost = -1\n");
  EXPECT_EQ(rate_, 0.5);
  EXPECT_EQ(most_, -1);
  for (const char* wrong : {"rate = 1e", "rate = nan", "rate = _1", "most = 1__0", "most = 1_"})
    EXPECT_FAILS(ErrorKind::usage, "a string in quotes, a number", read(wrong));
}

TEST_F(SettingsTest, WhatAllToolsShareMayNameOptionsOfOthers) {
  read("learning-rate = 1e-4\nstop = [\"a\"]\n", "common");
  EXPECT_EQ(stop_, std::vector<std::string>{"a"});
  EXPECT_FAILS(ErrorKind::usage, "c.toml:2: learning-rate is no option",
               read("learning-rate = 1e-4\n"));
  EXPECT_FAILS(ErrorKind::usage, "c.toml:2: learning-rat is no option",
               read("learning-rat = 1e-4\n", "common"));
}

}  // namespace
}  // namespace r1
