#include <cmath>
#include <limits>
#include <vector>

#include "tests/lib/decode/scheduler_scene.h"
#include "tests/support/fails.h"
#include "tests/support/run_network.h"

namespace r1 {
namespace {

using test::Ids;
using test::Outcome;
using test::random_ids;
using test::SchedulerTest;

TEST_F(SchedulerTest, GreedyIsWhatTheBareNetworkGivesStepByStep) {
  test::Runner runner(open_backend("ref"), path_);
  runner.newline = model_.newline;
  for (const std::size_t length : {1u, 63u, 64u, 65u, 200u}) {
    const Ids prompt = random_ids(length, length);
    const auto outcome = run(options(), {{.prompt = prompt, .max_tokens = 40}});
    EXPECT_EQ(outcome[0].ids, runner.greedy(prompt, 40)) << length;
    EXPECT_EQ(outcome[0].finish, FinishReason::length);
  }
}

TEST_F(SchedulerTest, EverySequenceIsTheSameBitsInAnyBatch) {
  const auto requests = mixture(20);
  const auto alone = run(options(1), requests);
  for (const std::int64_t batch : {2, 7, 32}) EXPECT_EQ(run(options(batch), requests), alone);
}

TEST_F(SchedulerTest, TheSizeOfAChunkDoesNotShow) {
  const auto requests = mixture(8);
  const auto want = run(options(), requests);
  for (const std::int64_t chunk : {1, 7, 64}) {
    SchedulerOptions o = options();
    o.chunk_tokens = chunk;
    EXPECT_EQ(run(o, requests), want) << chunk;
  }
}

TEST_F(SchedulerTest, SharedBeginningsGiveTheSameBitsAndAreReadOnce) {
  load({.head = 32});
  for (const DType kv : {DType::f32, DType::f16, DType::bf16, DType::q8_0}) {
    const auto requests = mixture(9);
    SchedulerOptions o = options(3);
    o.kv_dtype = kv;
    o.share_prefixes = false;
    const auto want = run(o, requests);
    EXPECT_EQ(totals_.shared_tokens, 0);
    o.share_prefixes = true;
    EXPECT_EQ(run(o, requests), want);
    EXPECT_EQ(totals_.shared_tokens, 2 * 128);  // of three with 150 ids in common, two whole pages
  }
}

TEST_F(SchedulerTest, AWholePromptThatIsKnownStillHasItsLastIdRead) {
  const SequenceRequest r{.prompt = random_ids(1, 128), .max_tokens = 8};
  const auto outcomes = run(options(1), {r, r});
  EXPECT_EQ(outcomes[0], outcomes[1]);
  EXPECT_EQ(outcomes[1].ids.size(), 8u);
  EXPECT_EQ(totals_.shared_tokens, 64);
}

TEST_F(SchedulerTest, AnAnswerIsABeginningForTheNextTurn) {
  const auto first = run(options(1), {{.prompt = random_ids(1, 100), .max_tokens = 40}})[0];
  Ids turn = random_ids(1, 100);
  turn.insert(turn.end(), first.ids.begin(), first.ids.end());
  turn.push_back(5);
  run(options(1), {{.prompt = random_ids(1, 100), .max_tokens = 40}, {.prompt = turn}});
  EXPECT_EQ(totals_.shared_tokens, 128);
}

TEST_F(SchedulerTest, FewPagesMakeSequencesWaitAndChangeNothing) {
  const auto requests = mixture(12);
  const auto want = run(options(), requests);
  SchedulerOptions o = options();
  for (const std::int64_t pages : {5, 6, 9}) {  // the longest takes five
    o.cache_pages = pages;
    EXPECT_EQ(run(o, requests), want) << pages;
  }
}

TEST_F(SchedulerTest, APromptThatCanNeverFitIsRefusedAndTheRestGoesOn) {
  Scheduler s(*backend_, *model_.network, options());
  Outcome good, bad;
  submit(s, good, {.prompt = {5}, .max_tokens = 3});
  EXPECT_FAILS(ErrorKind::too_long, "512 tokens, and the model takes 512, one of them the answer's",
               submit(s, bad, {.prompt = random_ids(1, 512)}));
  while (s.busy()) s.step();
  EXPECT_EQ(good.ids.size(), 3u);
  EXPECT_TRUE(bad.ids.empty());
}

TEST_F(SchedulerTest, AnAnswerEndsWhereTheContextEnds) {
  for (const std::int64_t most : {std::int64_t{600}, std::numeric_limits<std::int64_t>::max()}) {
    const auto outcome = run(options(), {{.prompt = random_ids(1, 500), .max_tokens = most}})[0];
    EXPECT_EQ(outcome.ids.size(), 12u);
    EXPECT_EQ(outcome.finish, FinishReason::length);
  }
}

TEST_F(SchedulerTest, NoTokensWantedIsAnEmptyAnswer) {
  const auto outcome = run(options(), {{.prompt = {5}, .max_tokens = 0}})[0];
  EXPECT_TRUE(outcome.ids.empty());
  EXPECT_EQ(outcome.finish, FinishReason::length);
}

TEST_F(SchedulerTest, AStopTokenEndsAnAnswerAndIsNotPartOfIt) {
  const SequenceRequest r{.prompt = random_ids(4, 20), .max_tokens = 12};
  const Ids all = run(options(), {r})[0].ids;
  SequenceRequest stopped = r;
  stopped.stop_tokens = {all[5]};
  const Outcome outcome = run(options(), {stopped})[0];
  const auto first = std::find(all.begin(), all.end(), all[5]);
  EXPECT_EQ(outcome.ids, Ids(all.begin(), first));
  EXPECT_EQ(outcome.finish, FinishReason::stop);
}

TEST_F(SchedulerTest, ASequenceEndsWhenItsReaderHasEnough) {
  int left = 3;
  SequenceRequest r{.prompt = {5}, .on_token = [&left](const Sample&) { return --left > 0; }};
  const Outcome outcome = run(options(), {r})[0];
  EXPECT_EQ(outcome.ids.size(), 3u);
  EXPECT_EQ(outcome.finish, FinishReason::stop);
}

TEST_F(SchedulerTest, IdsPastTheAllowedOnesAreNeverDrawn) {
  SchedulerOptions o = options();
  o.allowed_ids = 40;
  SequenceRequest r{.prompt = {5}, .max_tokens = 200, .sampling = {.temperature = 2}};
  const Ids ids = run(o, {r})[0].ids;
  EXPECT_EQ(ids.size(), 200u);
  for (const std::int32_t id : ids) EXPECT_LT(id, 40);
}

TEST_F(SchedulerTest, CancellingEndsWhatRunsAndWhatWaits) {
  Scheduler s(*backend_, *model_.network, options(2));
  std::vector<Outcome> outcomes(4);
  for (Outcome& o : outcomes) submit(s, o, {.prompt = random_ids(1, 70), .max_tokens = 50});
  for (int i = 0; i < 5; ++i) s.step();
  s.cancel_all(FinishReason::interrupted);
  EXPECT_FALSE(s.busy());
  for (const Outcome& o : outcomes) EXPECT_EQ(o.finish, FinishReason::interrupted);
  // It can be used again, and nothing has leaked.
  Outcome after;
  submit(s, after, {.prompt = random_ids(1, 450), .max_tokens = 50});
  while (s.busy()) s.step();
  EXPECT_EQ(after.ids.size(), 50u);
}

TEST_F(SchedulerTest, LogitsThatAreNotNumbersFailTheirItemAlone) {
  load({.head_fault = std::numeric_limits<float>::quiet_NaN()});
  const auto outcomes = run(options(), {{.prompt = {5}}, {.prompt = {6}, .max_tokens = 0}});
  EXPECT_NE(outcomes[0].error.find("not a number"), std::string::npos) << outcomes[0].error;
  EXPECT_EQ(outcomes[0].finish, std::nullopt);
  EXPECT_EQ(outcomes[1].finish, FinishReason::length);
}

}  // namespace
}  // namespace r1
