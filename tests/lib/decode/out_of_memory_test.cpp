// Memory that runs out on a pretend device: steps become smaller, and no sequence is lost, doubled
// or changed.
#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "kernels/ref/ref_backend.h"
#include "tests/lib/decode/scheduler_scene.h"
#include "tests/support/fails.h"

namespace r1 {
namespace {

using test::Outcome;
using test::SchedulerTest;

// `ref` on a device whose memory fails: by chance, or beyond a size.
class PoorBackend : public RefBackend {
 public:
  void fail_by_chance(std::uint64_t seed, double share) {
    seed_ = seed;
    share_ = share;
  }
  void hold_at_most(std::size_t bytes) { most_ = held_ + bytes; }

  void* allocate(std::size_t bytes) override {
    maybe_fail();
    if (held_ + bytes > most_) out_of_memory(bytes);
    void* memory = RefBackend::allocate(bytes);
    sizes_[memory] = bytes;
    held_ += bytes;
    return memory;
  }
  void release(void* memory) override {
    held_ -= sizes_.at(memory);
    sizes_.erase(memory);
    RefBackend::release(memory);
  }
  // What an op takes on its way may fail as well, with half of a step done.
  void linear(const Tensor& y, const Tensor& x, const Tensor& w, const Epilogue& then) override {
    maybe_fail();
    RefBackend::linear(y, x, w, then);
  }
  int failures = 0;

 private:
  [[noreturn]] void out_of_memory(std::size_t bytes) {
    ++failures;
    fail(ErrorKind::oom_gpu, "no memory for {} bytes on the device", bytes);
  }
  void maybe_fail() {
    if (share_ > 0 && random_uniform(seed_, 7, calls_++) < share_) out_of_memory(1);
  }

  std::uint64_t seed_ = 0, calls_ = 0;
  double share_ = 0;
  std::size_t held_ = 0, most_ = SIZE_MAX;
  std::map<void*, std::size_t> sizes_;
};

class OutOfMemoryTest : public SchedulerTest {
 protected:
  OutOfMemoryTest() {
    auto poor = std::make_unique<PoorBackend>();
    poor_ = poor.get();
    model_ = {};  // before the backend that it lives on
    backend_ = std::move(poor);
    load({});
  }
  ~OutOfMemoryTest() override { model_ = {}; }
  PoorBackend* poor_ = nullptr;
};

TEST_F(OutOfMemoryTest, WhateverFailsEachSequenceEndsOnceWithItsOwnTokensOrAnError) {
  const auto requests = mixture(6);
  const auto want = run(options(), requests);
  constexpr int kFailures = 1000;
  int errors = 0, whole = 0;
  for (std::uint64_t seed = 0; poor_->failures < kFailures; ++seed) {
    Scheduler s(*backend_, *model_.network, options(4));
    std::vector<Outcome> outcomes(requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) submit(s, outcomes[i], requests[i]);
    poor_->fail_by_chance(seed, 0.02);
    while (s.busy()) s.step();
    poor_->fail_by_chance(0, 0);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const bool ended = outcomes[i].finish.has_value(), failed = !outcomes[i].error.empty();
      ASSERT_NE(ended, failed) << i;
      errors += failed ? 1 : 0;
      whole += ended ? 1 : 0;
      if (ended) {
        ASSERT_EQ(outcomes[i], want[i]) << i;
      } else {
        ASSERT_LE(outcomes[i].ids.size(), want[i].ids.size());
        ASSERT_TRUE(
            std::equal(outcomes[i].ids.begin(), outcomes[i].ids.end(), want[i].ids.begin()));
      }
    }
  }
  EXPECT_GT(errors, 0);
  EXPECT_GT(whole, errors / 4);
}

TEST_F(OutOfMemoryTest, ASizeThatHoldsIsFoundInFewStepsAndKept) {
  const auto requests = mixture(8);
  const auto want = run(options(), requests);
  Scheduler s(*backend_, *model_.network, options(8));
  std::vector<Outcome> outcomes(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) submit(s, outcomes[i], requests[i]);
  poor_->hold_at_most(std::size_t{4} << 20);  // blocks of an arena are of 1 MiB
  while (s.busy()) s.step();
  poor_->hold_at_most(SIZE_MAX / 2);
  EXPECT_EQ(outcomes, want);
  EXPECT_GE(s.totals().shrunk, 1);
  EXPECT_LE(s.totals().shrunk, 10);  // log2 of 512 rows, and one
}

TEST_F(OutOfMemoryTest, WhatHasNoRoomAloneEndsWithAnErrorAndTheRunGoesOn) {
  Scheduler s(*backend_, *model_.network, options(4));
  Outcome hopeless, later;
  submit(s, hopeless, {.prompt = {5}, .max_tokens = 3});
  poor_->hold_at_most(0);
  s.step();
  EXPECT_NE(hopeless.error.find("no memory"), std::string::npos) << hopeless.error;
  EXPECT_FALSE(s.busy());
  poor_->hold_at_most(SIZE_MAX / 2);
  submit(s, later, {.prompt = {5}, .max_tokens = 3});
  while (s.busy()) s.step();
  EXPECT_EQ(later.ids.size(), 3u) << later.error;
}

// All of a card's memory but `left` bytes.
std::vector<Buffer> take_all_but(Backend& backend, std::size_t left) {
  std::vector<Buffer> taken;
  const Buffer reserve(backend, left);
  for (std::size_t bytes = std::size_t{1} << 36; bytes >= std::size_t{1} << 18;) {
    try {
      taken.emplace_back(backend, bytes);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::oom_gpu) throw;
      bytes /= 2;
    }
  }
  return taken;
}

// The CUDA backend itself: the first step, of 1020 rows, does not fit, and none is lost or changed.
TEST_F(SchedulerTest, AFullCardTakesSmallerSteps) {
  for (const test::Candidate& candidate : test::backends()) {
    if (!candidate.name.starts_with("cuda") || !candidate.exact()) continue;
    model_ = {};
    backend_ = candidate.open();
    load({.context = 1024});
    std::vector<SequenceRequest> requests;
    for (const std::size_t tokens : {1000u, 20u})
      requests.push_back({.prompt = test::random_ids(1, tokens), .max_tokens = 4});
    const auto want = run(options(), requests);
    EXPECT_EQ(totals_.shrunk, 0);
    Scheduler s(*backend_, *model_.network, options());
    std::vector<Outcome> outcomes(requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) submit(s, outcomes[i], requests[i]);
    const std::vector<Buffer> taken = take_all_but(*backend_, std::size_t{7} << 20);
    while (s.busy()) s.step();
    EXPECT_EQ(outcomes, want) << candidate.name;
    EXPECT_GE(s.totals().shrunk, 1);
    EXPECT_LE(s.totals().shrunk, 12);
  }
  model_ = {};
}

// A device that has failed gives answers no more: the run ends, and does not go on with errors.
class BrokenBackend : public RefBackend {
 public:
  void copy_to_host(void* dst, const Tensor& src) override {
    if (broken) fail(ErrorKind::device, "cuda: wait: an illegal memory access was encountered");
    RefBackend::copy_to_host(dst, src);
  }
  bool broken = false;
};

class BrokenDeviceTest : public SchedulerTest {
 protected:
  BrokenDeviceTest() {
    auto broken = std::make_unique<BrokenBackend>();
    broken_ = broken.get();
    model_ = {};
    backend_ = std::move(broken);
    load({});
  }
  ~BrokenDeviceTest() override { model_ = {}; }
  BrokenBackend* broken_ = nullptr;
};

TEST_F(BrokenDeviceTest, EndsTheRun) {
  for (const float repeat_penalty : {1.0f, 1.1f}) {  // leaders; whole rows of logits
    Scheduler s(*backend_, *model_.network, options());
    Outcome outcome;
    submit(s, outcome, {.prompt = {5}, .sampling = {.repeat_penalty = repeat_penalty}});
    s.step();
    broken_->broken = true;
    EXPECT_FAILS(ErrorKind::device, "illegal memory access", s.step());
    broken_->broken = false;
    EXPECT_EQ(outcome.error, "");
  }
}

}  // namespace
}  // namespace r1
