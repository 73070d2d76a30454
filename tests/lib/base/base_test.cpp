#include <atomic>
#include <climits>
#include <cmath>
#include <new>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include "lib/base/checked.h"
#include "lib/base/parallel.h"
#include "lib/base/random.h"
#include "lib/base/sha256.h"
#include "tests/support/fails.h"

namespace r1 {
namespace {

TEST(ByteReader, NeverReadsPastTheEnd) {
  ByteReader reader(as_bytes("abcdef"), "f.gguf");
  EXPECT_EQ(reader.read<std::uint32_t>(), 0x64636261u);
  EXPECT_FAILS(ErrorKind::truncated, "f.gguf wants 4 bytes at 4, and has 2",
               reader.read<std::uint32_t>());
  EXPECT_EQ(as_text(reader.take(2)), "ef");
  EXPECT_FAILS(ErrorKind::truncated, "wants 18446744073709551615", reader.take(UINT64_MAX));
}

TEST(Checked, OverflowIsAnError) {
  EXPECT_EQ(checked_mul(1u << 31, 4, "x"), 1ull << 33);
  EXPECT_FAILS(ErrorKind::decode, "too large", checked_mul(1ull << 32, 1ull << 32, "shape"));
  EXPECT_FAILS(ErrorKind::decode, "too large", checked_add(UINT64_MAX, 1, "end"));
}

// FIPS 180-4's own examples, and one that crosses a block border.
TEST(Sha256, GivesThePublishedDigests) {
  const std::pair<std::string, std::string> published[] = {
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {std::string(1000000, 'a'),
       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}};
  for (const auto& [text, digest] : published)
    for (const bool plainly : {false, true}) EXPECT_EQ(sha256_hex(as_bytes(text), plainly), digest);
}

TEST(Sha256, PartsGiveWhatTheWholeGives) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7);
  for (const std::size_t part : {1u, 55u, 56u, 63u, 64u, 65u, 128u, 300u}) {
    Sha256 sum;
    for (std::size_t at = 0; at < text.size(); at += part) sum.add(as_bytes(text.substr(at, part)));
    EXPECT_EQ(sum.hex(), sha256_hex(as_bytes(text))) << part;
  }
}

// The known answer of the paper's authors for counter and key of all zero bits.
TEST(Random, IsPhilox) { EXPECT_EQ(random_bits(0, 0, 0), 0xe169c58d6627e8d5ull); }

TEST(Random, IsUniformAndDependsOnEveryInput) {
  double sum = 0, squares = 0;
  constexpr int kDraws = 100000;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const double u = random_uniform(1, 2, i);
    ASSERT_TRUE(u >= 0 && u < 1);
    sum += u;
    squares += u * u;
  }
  // Four standard errors of the mean of 100,000 uniform draws: 4 sqrt(1/12 / 1e5) = 0.0037.
  EXPECT_NEAR(sum / kDraws, 0.5, 0.0037);
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 0.0038);
  EXPECT_NE(random_bits(1, 0, 0), random_bits(0, 1, 0));
  EXPECT_NE(random_bits(0, 1, 0), random_bits(0, 0, 1));
}

TEST(ThreadPool, EveryIndexIsWorkedOnOnce) {
  for (const int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const std::int64_t count : {0, 1, 2, 15, 16, 17, 1000}) {
      std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
      pool.for_ranges(count, 16, [&](std::int64_t begin, std::int64_t end) {
        EXPECT_EQ(begin % 16, 0);
        for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
      });
      for (const auto& n : seen) EXPECT_EQ(n, 1);
    }
  }
}

// More threads than processors would wait for each other.
TEST(ThreadPool, HasNoMoreThreadsThanItsProcessors) {
  EXPECT_EQ(processors_of_quota("max 100000"), INT_MAX);
  EXPECT_EQ(processors_of_quota(""), INT_MAX);
  EXPECT_EQ(processors_of_quota("150000 100000"), 2);
  EXPECT_EQ(processors_of_quota("5000 100000"), 1);
  std::thread([] {
    cpu_set_t all, one;
    ASSERT_EQ(::sched_getaffinity(0, sizeof all, &all), 0);
    std::size_t cpu = 0;
    while (!CPU_ISSET(cpu, &all)) ++cpu;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(physical_cores(), 1);
    EXPECT_EQ(ThreadPool(0).threads(), 1);
  }).join();
}

TEST(ThreadPool, ManyShortCallsLoseNothing) {
  ThreadPool pool(3);
  std::atomic<std::int64_t> sum{0};
  for (int i = 0; i < 20000; ++i) pool.run([&](int thread) { sum += thread + 1; });
  EXPECT_EQ(sum, 20000 * (1 + 2 + 3));
}

TEST(ThreadPool, ThrowsWhatABodyThrewAndGoesOn) {
  ThreadPool pool(3);
  for (const int thrower : {0, 2}) {
    const auto body = [&](int thread) {
      if (thread == thrower) throw std::bad_alloc();
    };
    EXPECT_THROW(pool.run(body), std::bad_alloc);
  }
  std::atomic<int> sum{0};
  pool.run([&](int thread) { sum += thread; });
  EXPECT_EQ(sum, 0 + 1 + 2);
}

TEST(ThreadPool, WorksWithTheThreadsThatThereAre) {
  pthread_attr_t before, endless;  // no thread has room for a stack of all addresses
  ASSERT_EQ(pthread_getattr_default_np(&before), 0);
  ASSERT_EQ(pthread_getattr_default_np(&endless), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&endless, std::size_t{1} << 47), 0);
  ASSERT_EQ(pthread_setattr_default_np(&endless), 0);
  {
    ThreadPool pool(3);
    EXPECT_EQ(pool.threads(), 1);
    int calls = 0;
    pool.run([&](int) { ++calls; });
    EXPECT_EQ(calls, 1);
  }
  ASSERT_EQ(pthread_setattr_default_np(&before), 0);
  pthread_attr_destroy(&before);
  pthread_attr_destroy(&endless);
}

}  // namespace
}  // namespace r1
