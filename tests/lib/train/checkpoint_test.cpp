#include "lib/train/checkpoint.h"

#include <cmath>
#include <csignal>
#include <fstream>
#include <limits>
#include <set>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/backends.h"
#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

class CheckpointTest : public testing::Test {
 protected:
  void save(std::int64_t step) {
    for (float& v : values_) v = static_cast<float>(step);
    at_.save(*backend_, {step, {{"third", static_cast<double>(step) / 3.0}}}, state_);
    values_ = {0, 0, 0, 0};
  }
  std::optional<std::int64_t> load() {
    damaged_.clear();
    const auto progress = at_.load(*backend_, state_, damaged_);
    if (!progress) return std::nullopt;
    EXPECT_EQ(progress->numbers.at("third"), static_cast<double>(progress->step) / 3.0);
    return progress->step;
  }

  std::unique_ptr<Backend> backend_ = test::Candidate{"ref"}.open();
  std::vector<float> values_ = {0, 0, 0, 0};
  std::vector<NamedTensor> state_ = {{"w", {values_.data(), {2, 2}}}};
  test::TempDir folder_;
  Checkpoints at_{folder_.path(), {"model", "data", "options"}, 2};
  std::vector<std::string> damaged_;
};

TEST_F(CheckpointTest, TheNewestIsReadAndOldOnesGo) {
  EXPECT_EQ(load(), std::nullopt);
  EXPECT_FALSE(at_.any());
  for (const std::int64_t step : {1, 20, 300}) save(step);
  EXPECT_EQ(load(), 300);
  EXPECT_TRUE(at_.any());
  EXPECT_EQ(values_, std::vector<float>(4, 300.0f));
  EXPECT_FALSE(fs::exists(folder_.path() / "step-00000001"));
  EXPECT_TRUE(fs::exists(folder_.path() / "step-00000020"));
}

TEST_F(CheckpointTest, ADamagedOneIsPassedOverByName) {
  for (const std::int64_t step : {1, 2}) save(step);
  const fs::path newest = folder_.path() / "step-00000002";
  {
    std::fstream file(newest / "state.safetensors", std::ios::in | std::ios::out);
    file.seekp(-1, std::ios::end);
    file.put('x');
  }
  EXPECT_EQ(load(), 1);
  EXPECT_EQ(damaged_, std::vector<std::string>{newest.string()});
  fs::remove(newest / "manifest.json");
  EXPECT_EQ(load(), 1);
  fs::rename(folder_.path() / "step-00000001/manifest.json", folder_.path() / "kept");
  EXPECT_FALSE(at_.any());
  fs::rename(folder_.path() / "kept", folder_.path() / "step-00000001/manifest.json");
  save(3);  // what was broken off goes
  EXPECT_FALSE(fs::exists(newest));
  EXPECT_EQ(load(), 3);
}

// Nothing of one that lacks a tensor is taken over.
TEST_F(CheckpointTest, OneOfOtherTensorsIsPassedOverWhole) {
  std::vector<float> more = {8, 9};
  save(1);
  at_.save(*backend_, {2, {}}, {{"w", {more.data(), {1, 2}}}, state_[0]});
  values_ = {5, 5, 5, 5};
  const std::vector<float> before = values_;
  std::vector<float> other = {3, 3};
  const std::vector<NamedTensor> wanted = {{"w", {values_.data(), {2, 2}}},
                                           {"v", {other.data(), {1, 2}}}};
  damaged_.clear();
  EXPECT_EQ(at_.load(*backend_, wanted, damaged_).has_value(), false);
  EXPECT_EQ(damaged_.size(), 2u);
  EXPECT_EQ(values_, before);
}

TEST_F(CheckpointTest, OneThatSaysAnotherStepThanItsNameIsDamaged) {
  save(1);
  const fs::path manifest = folder_.path() / "step-00000001/manifest.json";
  std::string text = test::read_bytes(manifest);
  text.replace(text.find("\"step\":1"), 8, "\"step\":-3");
  test::write_bytes(manifest, text);
  EXPECT_EQ(load(), std::nullopt);
}

// A run may be killed between the newest and the end of the oldest.
TEST_F(CheckpointTest, WhatAKilledRunLeftTooManyGoesWhenItGoesOn) {
  at_.keep = 3;
  for (const std::int64_t step : {1, 2, 3}) save(step);
  at_.keep = 2;
  EXPECT_EQ(load(), 3);
  EXPECT_FALSE(fs::exists(folder_.path() / "step-00000001"));
  EXPECT_TRUE(fs::exists(folder_.path() / "step-00000002"));
}

TEST_F(CheckpointTest, NineDigitsAreMoreThanEight) {
  for (const std::int64_t step : {99'999'998, 99'999'999, 100'000'000}) save(step);
  EXPECT_EQ(load(), 100'000'000);
  EXPECT_FALSE(fs::exists(folder_.path() / "step-99999998"));
  EXPECT_TRUE(fs::exists(folder_.path() / "step-99999999"));
}

TEST_F(CheckpointTest, OneWrittenBehindADamagedLaterOneStays) {
  at_.keep = 1;
  save(1);
  const fs::path later = folder_.path() / "step-00000300";
  fs::copy(folder_.path() / "step-00000001", later);
  std::ofstream(later / "state.safetensors") << 'x';
  EXPECT_EQ(load(), 1);
  save(2);
  EXPECT_FALSE(fs::exists(later));
  EXPECT_EQ(load(), 2);
}

TEST_F(CheckpointTest, OneThatCannotBeWrittenTakesNothingAway) {
  save(1);
  const auto names = [&] {
    std::set<std::string> all;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_.path()))
      all.insert(entry.path().filename().string());
    return all;
  };
  const auto full = [&](std::int64_t step) {
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit none{64, before.rlim_max};
    const auto signal = std::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &none);
    EXPECT_FAILS(ErrorKind::write, "", save(step));
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, signal);
  };
  for (const std::int64_t step : {1, 2}) {  // again, and the next
    full(step);
    EXPECT_EQ(names(), std::set<std::string>{"step-00000001"});
    EXPECT_EQ(load(), 1);
  }
  save(1);
  EXPECT_EQ(names(), std::set<std::string>{"step-00000001"});
}

// It may be whole: a run that began anew would remove it.
TEST_F(CheckpointTest, OneThatMayNotBeReadIsNotPassedOver) {
  save(1);
  const auto as_nobody = [&] {  // and without looking for leaks, which nobody may
    if (::geteuid() == 0 && ::seteuid(65534) != 0) std::_Exit(2);
    try {
      load();
    } catch (const Error& e) {
      std::_Exit(e.kind() == ErrorKind::perm ? 0 : 1);
    }
    std::_Exit(1);
  };
  fs::permissions(folder_.path(), fs::perms::none);
  EXPECT_EXIT(as_nobody(), testing::ExitedWithCode(0), "");
  fs::permissions(folder_.path(), fs::perms::all);
  fs::permissions(folder_.path() / "step-00000001/state.safetensors", fs::perms::none);
  EXPECT_EXIT(as_nobody(), testing::ExitedWithCode(0), "");
}

TEST_F(CheckpointTest, NumbersNeedNotBeFinite) {
  at_.save(*backend_, {7, {{"untaught", std::numeric_limits<double>::quiet_NaN()}}}, state_);
  const auto progress = at_.load(*backend_, state_, damaged_);
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->step, 7);
  EXPECT_TRUE(std::isnan(progress->numbers.at("untaught")));
}

TEST_F(CheckpointTest, AnotherRunIsNotGoneOnWith) {
  save(5);
  const Recipe own = at_.recipe;
  at_.recipe.options = "other";
  EXPECT_FAILS(ErrorKind::usage, "step-00000005 was begun with other options", load());
  at_.recipe.data = "other";
  EXPECT_FAILS(ErrorKind::usage, "step-00000005 was begun with other data", load());
  at_.recipe = {"other", own.data, own.options};
  EXPECT_FAILS(ErrorKind::usage, "step-00000005 was begun with another model", load());
  at_.recipe = {own.model, "", ""};  // whatever these are
  ASSERT_TRUE(at_.newest());
  EXPECT_EQ(at_.newest()->recipe.options, own.options);
  EXPECT_EQ(load(), 5);
}

TEST_F(CheckpointTest, OneAloneIsReadAndNothingRemoved) {
  at_.keep = 3;
  for (const std::int64_t step : {1, 2, 3}) save(step);
  at_.keep = 0;
  EXPECT_EQ(load(), 3);
  at_.folder /= "step-00000002";
  ASSERT_TRUE(at_.newest());
  EXPECT_EQ(at_.newest()->step, 2);
  EXPECT_EQ(load(), 2);
  for (const char* name : {"step-00000001", "step-00000002", "step-00000003"})
    EXPECT_TRUE(fs::exists(folder_.path() / name)) << name;
}

}  // namespace
}  // namespace r1
