#include "lib/tasks/completion.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "lib/base/utf8.h"
#include "tests/support/backends.h"
#include "tests/support/complete_all.h"
#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"

namespace r1 {
namespace {

class CompletionTest : public testing::Test {
 protected:
  CompletionTest() { load({}); }
  void load(const test::TinyModel& tiny) {
    completer_.reset();
    model_ = load_model_with_text(*backend_, "tiny",
                                  test::write_tiny_model(dir_ / "tiny.gguf", tiny), {});
    completer_ = std::make_unique<Completer>(*backend_, model_, CompletionOptions{});
  }
  std::vector<CompletionResult> run(std::vector<CompletionRequest> requests,
                                    Completer::Callbacks callbacks = {}) {
    return test::complete_all(*completer_, std::move(requests), std::move(callbacks));
  }
  CompletionResult one(CompletionRequest request) {
    return std::move(run({std::move(request)})[0]);
  }
  static std::string error_of(const CompletionResult& r) {
    return r.error ? std::string(code(r.error->kind())) + ": " + r.error->what() : "";
  }
  std::string bytes_of(const Answer& a) const {
    std::string all;
    for (const TokenId id : a.tokens) all += model_.tokenizer->bytes(id);
    return all;
  }

  test::TempDir dir_;
  std::unique_ptr<Backend> backend_ = open_backend("ref");
  LoadedModel model_;
  std::unique_ptr<Completer> completer_;
};

TEST_F(CompletionTest, TheTextIsTheBytesOfItsTokensAsWholeCharacters) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const CompletionResult r = one(
        {.prefix = "def f(x):", .max_tokens = 40, .sampling = {.temperature = 1.5f, .seed = seed}});
    EXPECT_TRUE(is_utf8(r.answers[0].text));
    Utf8Stream whole;
    std::string want = whole.push(bytes_of(r.answers[0]));
    want += whole.finish();
    EXPECT_EQ(r.answers[0].text, want);
  }
}

TEST_F(CompletionTest, WhatIsStreamedIsWhatIsAnsweredInWholeCharacters) {
  std::vector<CompletionRequest> requests;
  for (int i = 0; i < 6; ++i)
    requests.push_back({.id = std::to_string(i),
                        .prefix = "x = " + std::to_string(i),
                        .max_tokens = 5 + 40 * (i % 2),
                        .sampling = {.temperature = 1.5f}});
  std::string streamed;
  Completer::Callbacks callbacks;
  callbacks.stream = [&](std::string_view text) {
    EXPECT_TRUE(is_utf8(text));
    streamed += text;
  };
  std::string answered;
  for (const CompletionResult& r : run(requests, callbacks)) answered += r.answers[0].text;
  EXPECT_EQ(streamed, answered);
}

// `text` without what the answer's first token repeats of the prompt: at most 16 bytes.
bool goes_on_from(const std::string& prefix, std::string bytes, const std::string& text) {
  for (std::size_t n = 0; n <= std::min<std::size_t>(16, bytes.size()); ++n) {
    if (!prefix.ends_with(bytes.substr(0, n))) continue;
    Utf8Stream whole;
    std::string want = whole.push(std::string_view(bytes).substr(n));
    want += whole.finish();
    if (want == text) return true;
  }
  return false;
}

TEST_F(CompletionTest, AWordThatIsCutIsHealedAndItsBeginningIsNotPrinted) {
  for (const auto& suffix : {std::optional<std::string>(), std::optional<std::string>("\n")}) {
    std::set<std::string> firsts;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      const CompletionResult r = one({.prefix = "x(re",
                                      .suffix = suffix,
                                      .max_tokens = 4,
                                      .sampling = {.temperature = 3, .seed = seed}});
      const Answer& a = r.answers[0];
      const std::string_view first = model_.tokenizer->bytes(a.tokens.at(0));
      EXPECT_TRUE(goes_on_from("x(re", bytes_of(a), a.text)) << bytes_of(a) << " to " << a.text;
      if (first.starts_with("re") && a.text.starts_with(first.substr(2))) firsts.emplace(first);
    }
    EXPECT_TRUE(firsts.contains("return"));
    EXPECT_TRUE(firsts.contains("ret"));
  }
}

TEST_F(CompletionTest, HealingIsNotAskedForOfAChatNorWithoutIt) {
  load({.chat = "<|im_start|><|im_end|>"});
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const SamplingOptions sampling{.temperature = 3, .seed = seed};
    for (const CompletionRequest& request :
         {CompletionRequest{.prefix = "x(re", .sampling = sampling, .heal = false},
          CompletionRequest{.messages = {{"user", "x(re"}}, .sampling = sampling}}) {
      const Answer a = one(request).answers[0];
      EXPECT_TRUE(goes_on_from("", bytes_of(a), a.text));
    }
  }
}

TEST_F(CompletionTest, TokensThatOnlyRepeatThePromptDoNotCount) {
  for (std::uint64_t seed = 0; seed < 30; ++seed)
    for (const std::int64_t most : {0, 1, 5}) {
      const CompletionResult r = one({.prefix = "x(re",
                                      .max_tokens = most,
                                      .sampling = {.temperature = 3, .seed = seed},
                                      .logprobs = 0});
      const Answer& a = r.answers[0];
      if (a.finish == FinishReason::length) {
        EXPECT_EQ(a.tokens.size(), static_cast<std::size_t>(most));
      }
      EXPECT_EQ(a.samples.size(), a.tokens.size());
      EXPECT_EQ(r.prompt_tokens, 4);  // <s> x ( re
      EXPECT_TRUE(goes_on_from("x(re", bytes_of(a), a.text));
    }
}

TEST_F(CompletionTest, AHealedAnswerBeginsWithAWholeCharacter) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const CompletionResult r = one({.prefix = "é = \u00e9\u263a\u263are",
                                    .max_tokens = 1,
                                    .sampling = {.temperature = 0.5f, .seed = seed}});
    EXPECT_TRUE(goes_on_from(r.request.prefix, bytes_of(r.answers[0]), r.answers[0].text));
  }
}

TEST_F(CompletionTest, ResultsComeInInputOrderHoweverLongEachTakes) {
  std::vector<CompletionRequest> requests;
  for (int i = 0; i < 10; ++i)
    requests.push_back({.id = std::to_string(i), .prefix = "a", .max_tokens = 30 - 3 * i});
  std::int64_t index = 0;
  for (const CompletionResult& r : run(requests)) {
    EXPECT_EQ(r.index, index);
    EXPECT_EQ(r.request.id, std::to_string(index++));
  }
  EXPECT_EQ(index, 10);
}

TEST_F(CompletionTest, UnorderedResultsComeAsTheyAreDone) {
  Completer completer(*backend_, model_, {.unordered = true});
  const auto results = test::complete_all(
      completer, {{.prefix = "a", .max_tokens = 30}, {.prefix = "b", .max_tokens = 2}});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].index, 1);
  EXPECT_EQ(results[1].index, 0);
}

TEST_F(CompletionTest, ABadItemIsAnErrorInItsPlaceAndTheOthersAreAnswered) {
  const CompletionRequest good{.id = "g", .prefix = "x = 1", .max_tokens = 8};
  const std::string text = one(good).answers[0].text;
  const auto results = run({good,
                            {.broken = Error(ErrorKind::decode, "line 2: not JSON")},
                            {.prefix = std::string(600, 'x')},
                            good,
                            {.messages = {{"user", "hello"}}},
                            good});
  ASSERT_EQ(results.size(), 6u);
  EXPECT_EQ(error_of(results[1]), "E_DECODE: line 2: not JSON");
  EXPECT_TRUE(error_of(results[2]).starts_with("E_TOO_LONG: ")) << error_of(results[2]);
  EXPECT_TRUE(error_of(results[4]).starts_with("E_MODEL: tiny has no chat"))
      << error_of(results[4]);
  for (const std::size_t i : {0u, 3u, 5u}) {
    EXPECT_FALSE(results[i].error) << error_of(results[i]);
    EXPECT_EQ(results[i].answers[0].text, text);
  }
}

TEST_F(CompletionTest, AModelOfNumbersThatAreNoneFailsEachItemAndNotTheRun) {
  load({.head_fault = std::numeric_limits<float>::quiet_NaN()});
  const auto results = run({{.prefix = "a"}, {.prefix = "b", .answers = 3}});
  ASSERT_EQ(results.size(), 2u);
  for (const CompletionResult& r : results)
    EXPECT_TRUE(error_of(r).starts_with("E_MODEL: ")) << error_of(r);
}

TEST_F(CompletionTest, ASuffixNeedsAModelThatFillsIn) {
  EXPECT_FALSE(one({.prefix = "a", .suffix = "b", .max_tokens = 2}).error);
  load({.fim = false});
  EXPECT_TRUE(error_of(one({.prefix = "a", .suffix = "b"})).starts_with("E_MODEL: "));
}

TEST_F(CompletionTest, AnEmptyPromptBeginsWithTheModelsFirstToken) {
  const CompletionResult r = one({.max_tokens = 3});
  EXPECT_EQ(r.prompt_tokens, 1);
  EXPECT_EQ(r.answers[0].tokens.size(), 3u);
}

TEST_F(CompletionTest, MarkersInATextAreOrdinaryText) {
  const CompletionResult r = one({.prefix = "</s><|fim_middle|>", .max_tokens = 1});
  EXPECT_EQ(r.prompt_tokens, 1 + static_cast<std::int64_t>(r.request.prefix.size()));
}

TEST_F(CompletionTest, SeveralAnswersOfOneItemAreTheSameWhateverTheirNumber) {
  const CompletionRequest three{.id = "q",
                                .prefix = "def f",
                                .max_tokens = 12,
                                .sampling = {.temperature = 1, .seed = 3},
                                .answers = 3};
  CompletionRequest five = three;
  five.answers = 5;
  const CompletionResult a = one(three), b = one(five);
  ASSERT_EQ(b.answers.size(), 5u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(a.answers[i].tokens, b.answers[i].tokens);
  EXPECT_NE(a.answers[0].tokens, a.answers[1].tokens);
}

TEST_F(CompletionTest, MoreAnswersThanTheBatchHoldsAreAllGiven) {
  Completer small(*backend_, model_, {.batch_size = 2});
  const auto results =
      test::complete_all(small, {{.prefix = "a", .max_tokens = 3, .answers = 7}, {.prefix = "b"}});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].answers.size(), 7u);
}

TEST_F(CompletionTest, LogprobsAreGivenWhenAskedFor) {
  const Answer none = one({.prefix = "a", .max_tokens = 4}).answers[0];
  EXPECT_TRUE(none.samples.empty());
  const Answer three = one({.prefix = "a", .max_tokens = 4, .logprobs = 3}).answers[0];
  ASSERT_EQ(three.samples.size(), 4u);
  for (const Sample& s : three.samples) {
    ASSERT_EQ(s.top.size(), 3u);
    EXPECT_EQ(s.top[0].id, s.id);  // greedy
    EXPECT_EQ(s.top[0].logprob, s.logprob);
    EXPECT_LT(s.logprob, 0);
  }
  const Answer zero = one({.prefix = "a", .max_tokens = 4, .logprobs = 0}).answers[0];
  EXPECT_TRUE(zero.samples.at(0).top.empty());
  EXPECT_EQ(zero.samples[0].logprob, three.samples[0].logprob);
}

TEST_F(CompletionTest, AStopStringEndsTheTextBeforeItAndIsNotStreamed) {
  const std::string all =
      one({.prefix = "if x:", .max_tokens = 60, .sampling = {.temperature = 1}}).answers[0].text;
  std::size_t at = all.size() / 2;  // two ASCII characters: a stop string is whole characters
  while ((all.at(at) | all.at(at + 1)) & 0x80) ++at;
  const std::string stop = all.substr(at, 2);
  std::string streamed;
  Completer::Callbacks callbacks;
  callbacks.stream = [&](std::string_view text) { streamed += text; };
  const auto r = run({{.prefix = "if x:",
                       .max_tokens = 60,
                       .sampling = {.temperature = 1},
                       .stop = {.strings = {stop}}}},
                     callbacks);
  EXPECT_EQ(r[0].answers[0].text, all.substr(0, all.find(stop)));
  EXPECT_EQ(r[0].answers[0].finish, FinishReason::stop);
  EXPECT_EQ(streamed, r[0].answers[0].text);
}

TEST_F(CompletionTest, TheTimeLimitEndsAnAnswerWithWhatThereIs) {
  const CompletionResult r = one({.prefix = "a", .max_tokens = 400, .time_limit_ms = 1});
  EXPECT_EQ(r.answers[0].finish, FinishReason::time);
  EXPECT_GE(r.answers[0].tokens.size(), 1u);
  EXPECT_LT(r.answers[0].tokens.size(), 400u);
  EXPECT_FALSE(r.error);
}

TEST_F(CompletionTest, ATimeoutFailsItsItemAndTheOthersAreAnswered) {
  for (const std::int64_t length : {1, 400}) {  // while it writes, and while it is read
    const auto results = run({{.prefix = "a", .max_tokens = 5},
                              {.prefix = std::string(static_cast<std::size_t>(length), 'x'),
                               .max_tokens = 100000,
                               .timeout_ms = 1},
                              {.prefix = "b", .max_tokens = 5}});
    ASSERT_EQ(results.size(), 3u);
    EXPECT_TRUE(error_of(results[1]).starts_with("E_TIMEOUT: ")) << error_of(results[1]);
    EXPECT_FALSE(results[0].error || results[2].error);
    EXPECT_EQ(results[2].answers[0].text, one({.prefix = "b", .max_tokens = 5}).answers[0].text);
  }
}

TEST_F(CompletionTest, ASkippedItemComesBackInItsPlaceWithoutAnAnswer) {
  const auto results = run({{.prefix = "a"}, {.prefix = "b", .skip = true}, {.prefix = "c"}});
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[1].request.prefix, "b");
  EXPECT_TRUE(results[1].answers.empty() && !results[1].error);
}

TEST_F(CompletionTest, AnInterruptionGivesWhatIsUnderWayItsErrorAndAdmitsNothingMore) {
  int steps = 0;
  Completer::Callbacks callbacks;
  callbacks.interrupted = [&steps] { return ++steps > 6; };
  std::vector<CompletionRequest> requests(40, {.prefix = "a", .max_tokens = 300});
  requests[0].max_tokens = 2;
  const auto results = run(requests, callbacks);
  EXPECT_FALSE(results[0].error);
  ASSERT_GT(results.size(), 1u);
  EXPECT_LT(results.size(), 40u);
  for (std::size_t i = 1; i < results.size(); ++i)
    EXPECT_EQ(results[i].error->kind(), ErrorKind::interrupted);
}

TEST_F(CompletionTest, ACompleterRunsAgainAndKnowsTheBeginning) {
  const CompletionRequest r{.prefix = std::string(100, 'x'), .max_tokens = 8};
  const CompletionResult first = one(r);
  const CompletionResult again = one(r);
  EXPECT_EQ(again.index, 0);
  EXPECT_EQ(again.answers[0].text, first.answers[0].text);
}

TEST_F(CompletionTest, ARunThatAnErrorBrokeOffLeavesNothingBehind) {
  Completer::Callbacks callbacks;
  callbacks.interrupted = []() -> bool { throw Error(ErrorKind::write, "the disk is full"); };
  EXPECT_FAILS(ErrorKind::write, "full", run({{.prefix = "a"}, {.prefix = "b"}}, callbacks));
  const auto results = run({{.prefix = "c", .max_tokens = 2}});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].request.prefix, "c");
  EXPECT_FALSE(results[0].error);
}

TEST_F(CompletionTest, WhatHasNotArrivedYetIsWaitedForOnlyWhenNothingElseIsToDo) {
  std::vector<bool> waits;
  int asked = 0;
  std::size_t done = 0;
  Completer::Callbacks callbacks;
  callbacks.next = [&](CompletionRequest& r, bool may_wait) {
    waits.push_back(may_wait);
    if (++asked == 1 || (may_wait && done < 2)) {
      r = {.prefix = "a", .max_tokens = 3};
      return Completer::Next::request;
    }
    return done < 2 ? Completer::Next::not_yet : Completer::Next::end;
  };
  callbacks.done = [&](CompletionResult&&) { ++done; };
  completer_->run(callbacks);
  EXPECT_TRUE(waits[0]);   // nothing under way
  EXPECT_FALSE(waits[1]);  // one is
  EXPECT_EQ(done, 2u);
  EXPECT_GE(std::count(waits.begin(), waits.end(), true), 2);
}

TEST_F(CompletionTest, AChatNeedsAFormThatIsKnown) {
  load({.chat = "{% for m in messages %}{{ '<|im_start|>' + m['role'] }}<|im_end|>{% endfor %}"});
  EXPECT_FALSE(one({.messages = {{"user", "hello"}}, .max_tokens = 3}).error);
  load({.chat = "{{ messages }}"});
  EXPECT_TRUE(error_of(one({.messages = {{"user", "hello"}}})).starts_with("E_MODEL: "));
}

TEST_F(CompletionTest, AChatWhoseSystemTextStandsInAQuestionNeedsOne) {
  for (const std::string inst : {"'[INST] ' ' [/INST]'", "[INST] <<SYS>> [/INST]"}) {
    load({.chat = inst});
    for (const std::string role : {"system", "assistant"})
      EXPECT_EQ(error_of(one({.messages = {{role, "x"}}})), "E_USAGE: messages have no user");
    EXPECT_FALSE(one({.messages = {{"system", "x"}, {"user", "x"}}, .max_tokens = 1}).error);
  }
  load({.chat = "<|im_start|><|im_end|>"});
  EXPECT_FALSE(one({.messages = {{"system", "x"}}, .max_tokens = 1}).error);
}

TEST_F(CompletionTest, ATextLongerThanTheModelTakesIsRefusedOrCutToFit) {
  const std::int64_t context = model_.network->shape().context;
  std::string text;
  for (std::int64_t i = 0; i < context; ++i) text += "x" + std::to_string(i) + " = 1\n";
  CompletionRequest request{.prefix = text, .suffix = std::nullopt, .max_tokens = 4};
  EXPECT_EQ(error_of(one(request)).substr(0, 10), "E_TOO_LONG");
  request.fit = true;
  const CompletionResult r = one(request);
  EXPECT_EQ(error_of(r), "");
  EXPECT_LE(r.prompt_tokens, context - 4);
  EXPECT_GE(r.prompt_tokens, context / 2);
  EXPECT_EQ(r.warnings.size(), 1u);
  EXPECT_EQ(r.request.prefix, text) << "the request comes back as it was";
  EXPECT_TRUE(one({.prefix = "x = ", .max_tokens = 4, .fit = true}).warnings.empty());
}

TEST_F(CompletionTest, ExtraFilesGoBeforeAnyOfTheText) {
  const auto half = static_cast<std::size_t>(model_.network->shape().context) / 2;
  CompletionRequest request{.prefix = "x = ", .max_tokens = 4};
  for (const std::size_t bytes : {100 * half * model_.longest_token, half, half, half / 2})
    request.extra.push_back({"a.py", std::string(bytes, 'a')});
  EXPECT_EQ(error_of(one(request)).substr(0, 10), "E_TOO_LONG");
  request.fit = true;
  const CompletionResult r = one(request);
  EXPECT_EQ(error_of(r), "");
  EXPECT_EQ(r.warnings.size(), 1u);
  request.extra.erase(request.extra.begin(), request.extra.begin() + 2);
  const CompletionResult near = one(request);
  EXPECT_TRUE(near.warnings.empty());
  EXPECT_EQ(r.prompt_tokens, near.prompt_tokens);
}

TEST_F(CompletionTest, NoMoreExtraFilesGoThanHaveTo) {
  const std::int64_t context = model_.network->shape().context;
  for (const auto& suffix : {std::optional<std::string>(), std::optional<std::string>("\n")}) {
    CompletionRequest request{.prefix = "x = ", .suffix = suffix, .max_tokens = 4, .fit = true};
    for (std::size_t i = 0; i < 60; ++i)
      request.extra.push_back({"a.py", "b = " + std::string(1 + i * 7 % 40, 'q')});
    const CompletionResult r = one(request);
    EXPECT_EQ(r.warnings.size(), 1u);
    while (!one(request).warnings.empty()) request.extra.erase(request.extra.begin());
    EXPECT_GT(request.extra.size(), 1u);
    EXPECT_LT(request.extra.size(), 59u);
    EXPECT_EQ(r.prompt_tokens, one(request).prompt_tokens);
    EXPECT_LE(r.prompt_tokens, context - 4);
  }
}

TEST_F(CompletionTest, NamesOfExtraFilesAreReadBeforeAGapAlone) {
  const std::string name(100 * 512 * model_.longest_token, 'n');
  CompletionRequest request{.prefix = "x = ", .extra = {{name, "y"}}, .max_tokens = 4};
  EXPECT_EQ(error_of(one(request)), "");
  request.suffix = "\n";
  EXPECT_TRUE(error_of(one(request)).ends_with("bytes, and the model takes 512 tokens"));
  request.fit = true;
  EXPECT_EQ(error_of(one(request)), "");
  EXPECT_EQ(one(request).warnings.size(), 1u);
}

}  // namespace
}  // namespace r1
