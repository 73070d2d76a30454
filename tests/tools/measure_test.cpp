// What is measured of a test, whatever the test is.
#include "tools/bench/measure.h"

#include <gtest/gtest.h>

#include "lib/backend/open_backend.h"
#include "tests/support/temp_dir.h"
#include "tools/bench/machine.h"
#include "tools/bench/session.h"

namespace r1 {
namespace {

class Measure : public testing::Test {
 protected:
  Measure() : backend_(open_backend("cpu", {.threads = 1})), probes_(*backend_, 1) {}

  std::unique_ptr<Backend> backend_;
  Probes probes_;
};

TEST_F(Measure, ASlowTestRunsAsOftenAsIsAskedFor) {
  int runs = 0;
  Runnable slow;
  slow.run = [&] {
    ++runs;
    wait_for(2);
  };
  const BenchRecord r = measure(slow, {.repeat = 3, .warmup = 2, .min_time_ns = 0}, probes_);
  EXPECT_EQ(r.samples_ns.size(), 3u);
  EXPECT_EQ(r.test.iterations, 1);
  EXPECT_EQ(runs, 2 + 3);
}

TEST_F(Measure, AQuickTestIsRunUntilTheClockTellsIt) {
  Runnable quick;
  quick.run = [] {};
  const BenchRecord r = measure(quick, {.repeat = 2, .warmup = 0, .min_time_ns = 0}, probes_);
  EXPECT_EQ(r.samples_ns.size(), 2u);
  EXPECT_GT(r.test.iterations, 1000);
}

// Each byte of a part lies in one of its pieces, however few bytes there are for a thread.
TEST_F(Measure, APassReadsWhatItSaysItReads) {
  EXPECT_EQ(probes_.pass(1 << 20, 1, false), 1 << 20);
  EXPECT_EQ(probes_.pass(1, 1, false), 32 << 10);
  EXPECT_EQ(probes_.pass(1, 100, false), 100 * 512);  // 32 KiB have no 512 bytes for each
  EXPECT_GT(probes_.read_rate(6 << 20), 0);
}

TEST(Machine, CachesAreFewOfTheBytesThatAreRead) {
  EXPECT_GE(beyond_caches(), 256 << 20);
  for (const CpuInfo::Cache& c : cpu_info().caches)
    if (4 * c.bytes <= cpu_info().memory_bytes / 4) {
      EXPECT_GE(beyond_caches(), static_cast<double>(4 * c.bytes));
    }
}

class SessionTest : public Measure {
 protected:
  // The record of a test that fails so, and the exit status.
  template <typename Failure>
  std::pair<BenchRecord, int> ended(const Failure& failure) {
    BenchSettings settings;
    settings.format = "jsonl";
    settings.output = (dir_ / "out").string();
    settings.force = true;
    BenchRecord known;
    known.id = "test";
    const Ui quiet{.verbosity = -2};
    Session session(settings, quiet, probes_, {{"", "test"}});
    session.run(known, [&]() -> Runnable { throw failure; });
    const BenchRecord record = session.records().at(0);
    return {record, session.end()};
  }
  test::TempDir dir_;
};

TEST_F(SessionTest, OnlyWhatIsNotPossibleHereIsSkipped) {
  const auto [skipped, fine] = ended(CannotMeasure("no"));
  EXPECT_TRUE(skipped.skipped);
  EXPECT_EQ(fine, 0);
  for (const ErrorKind kind : {ErrorKind::perm, ErrorKind::device, ErrorKind::model}) {
    const auto [failed, status] = ended(Error(kind, "no"));
    EXPECT_EQ(failed.error_code, code(kind));
    EXPECT_FALSE(failed.skipped);
    EXPECT_EQ(status, 1);
  }
  EXPECT_EQ(ended(Error(ErrorKind::write, "a full disk under a test")).second, 4);
}

}  // namespace
}  // namespace r1
