#include "lib/tasks/memory_plan.h"

#include <algorithm>
#include <limits>
#include <map>

#include <gtest/gtest.h>

#include "kernels/ref/ref_backend.h"
#include "lib/decode/scheduler.h"
#include "tests/support/backends.h"
#include "tests/support/complete_all.h"
#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"

namespace r1 {
namespace {

class MemoryPlanTest : public testing::Test {
 protected:
  MemoryPlan plan(std::uint64_t most, std::int64_t batch = 16) const {
    return plan_memory(ModelFiles::open(path_), {DType::f32, batch}, {.bytes = most});
  }
  LoadedModel load(std::uint64_t most) const {
    return load_model_with_text(*backend_, "tiny", path_, {.max_memory = most, .batch_size = 16});
  }

  test::TempDir dir_;
  std::filesystem::path path_ = test::write_tiny_model(dir_ / "tiny.gguf");
  std::unique_ptr<Backend> backend_ = open_backend("ref");
};

TEST_F(MemoryPlanTest, ACacheHoldsTheBatchAndShrinksToTheLimit) {
  const MemoryPlan free = plan(0);
  EXPECT_EQ(free.pages, 16 * 8);  // texts of the whole context, 512 tokens
  EXPECT_EQ(plan(0, 2).pages, 2 * 8);
  EXPECT_EQ(plan(free.total()).pages, free.pages);
  for (std::int64_t pages = 8; pages < free.pages; ++pages) {
    const std::uint64_t most =
        free.total() - free.page * static_cast<std::uint64_t>(free.pages - pages);
    EXPECT_EQ(plan(most).pages, pages);
    EXPECT_LE(plan(most).total(), most);
  }
}

// Two layers, two key heads of 32, keys and values of 64 positions, 65 decays: 34 bytes a block.
TEST_F(MemoryPlanTest, APageIsCountedInTheBytesOfItsType) {
  const auto path = test::write_tiny_model(dir_ / "wide.gguf", {.head = 32});
  for (const auto& [kv, bytes] :
       {std::pair{DType::f32, 128}, {DType::f16, 64}, {DType::bf16, 64}, {DType::q8_0, 34}}) {
    const std::uint64_t each = 2 * 64 * static_cast<std::uint64_t>(bytes) + 65 * sizeof(float);
    EXPECT_EQ(plan_memory(ModelFiles::open(path), {kv, 16}, {}).page, 2 * 2 * each);
  }
}

TEST_F(MemoryPlanTest, AnAdapterTakesRoomFromTheCache) {
  const ModelFiles files = ModelFiles::open(path_);
  const MemoryPlan alone = plan(0);
  const MemoryUse with{DType::f32, 16, Device::cpu, alone.page};
  EXPECT_EQ(plan_memory(files, with, {}).total(), alone.total() + alone.page);
  EXPECT_EQ(plan_memory(files, with, {.bytes = alone.total()}).pages, alone.pages - 1);
}

TEST_F(MemoryPlanTest, ALimitWithoutRoomForOneTextIsRefusedBeforeAnythingIsLoaded) {
  const MemoryPlan free = plan(0);
  const std::uint64_t least = free.weights + free.work() + 8 * free.page;
  EXPECT_EQ(plan(least).pages, 8);
  EXPECT_FAILS(ErrorKind::oom_cpu, "--max-memory", plan(least - 1));
  EXPECT_FAILS(ErrorKind::oom_cpu, "--max-memory", plan(1));
  EXPECT_FAILS(ErrorKind::oom_cpu, "--max-memory", load(least - 1));
}

// Knows how much of it is taken.
class Counted : public RefBackend {
 public:
  void* allocate(std::size_t bytes) override {
    void* memory = RefBackend::allocate(bytes);
    sizes_[memory] = bytes;
    most = std::max(most, now += bytes);
    return memory;
  }
  void release(void* memory) override {
    now -= sizes_[memory];
    sizes_.erase(memory);
    RefBackend::release(memory);
  }
  std::size_t now = 0, most = 0;

 private:
  std::map<void*, std::size_t> sizes_;
};

// An arena takes whole blocks of 1 MiB, in three places.
TEST_F(MemoryPlanTest, ThereIsRoomForTheLargestStep) {
  constexpr std::int64_t kContext = 1024;
  Counted backend;
  const auto path = test::write_tiny_model(dir_ / "long.gguf", {.context = kContext});
  const LoadedModel model = load_model_with_text(backend, "long", path, {});
  Scheduler scheduler(backend, *model.network, {.max_batch = 16});
  const std::size_t before = backend.now;
  scheduler.submit({.prompt = std::vector<std::int32_t>(kContext - 2, 7),
                    .max_tokens = 1,
                    .on_token = [](const Sample&) { return false; },
                    .on_finish = [](FinishReason) {}});
  while (scheduler.busy()) scheduler.step();
  const std::size_t taken = backend.most - before;
  const MemoryPlan plan = plan_memory(ModelFiles::open(path), {DType::f32, 16}, {});
  EXPECT_LE(taken, plan.step + (std::size_t{3} << 20));
  EXPECT_LE(plan.step, 2 * taken);
}

class OneGigabyte : public RefBackend {
 public:
  DeviceMemory memory() const override { return {.total = 1'000'000'000, .free = 1'000'000}; }
};

// The plan is of all that a card has, whatever is free at the moment.
TEST_F(MemoryPlanTest, ACardIsPlannedForByItsOwnMemory) {
  const OneGigabyte card;
  EXPECT_EQ(memory_limit(card, 5, -90).bytes, 900'000'000u);
  EXPECT_EQ(memory_limit(card, 0, 70'000'000).bytes, 70'000'000u);
  EXPECT_EQ(memory_limit(card, 0, 2'000'000'000).bytes, 1'000'000'000u);
  EXPECT_EQ(memory_limit(*backend_, 5, -90).bytes, 5u);
  EXPECT_FAILS(ErrorKind::oom_gpu, "--gpu-memory 1M",
               plan_memory(ModelFiles::open(path_), {DType::f32, 16},
                           memory_limit(card, 0, std::int64_t{1} << 20)));
}

TEST_F(MemoryPlanTest, ASmallCacheChangesNoAnswer) {
  const MemoryPlan free = plan(0);
  std::vector<CompletionRequest> requests;
  for (int i = 0; i < 6; ++i)
    requests.push_back(
        {.id = std::to_string(i), .prefix = std::string(100, 'x'), .max_tokens = 90});
  const LoadedModel small = load(free.weights + free.work() + 8 * free.page);
  EXPECT_EQ(small.cache_pages, 8);
  const LoadedModel wide = load(0);
  Completer a(*backend_, small, {}), b(*backend_, wide, {});
  const auto have = test::complete_all(a, requests), want = test::complete_all(b, requests);
  ASSERT_EQ(have.size(), want.size());
  for (std::size_t i = 0; i < have.size(); ++i)
    EXPECT_EQ(have[i].answers.at(0).text, want[i].answers.at(0).text);
}

TEST(MemoryOfMachine, AControlGroupMayHaveLess) {
  EXPECT_EQ(memory_of_limit("1073741824"), 1u << 30);
  for (const char* none : {"max", ""})
    EXPECT_EQ(memory_of_limit(none), std::numeric_limits<std::uint64_t>::max());
  EXPECT_GT(memory_of_machine(), 1u << 28);
}

}  // namespace
}  // namespace r1
