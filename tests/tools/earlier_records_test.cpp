#include "tools/common/earlier_records.h"

#include <gtest/gtest.h>

#include "lib/base/bytes.h"
#include "lib/base/random.h"
#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"
#include "tools/common/base64.h"
#include "tools/common/resumed_journal.h"

namespace r1 {
namespace {

std::string record(const std::string& id, int index) {
  return R"({"schema":"r1.test/1","index":)" + std::to_string(index) + R"(,"id":")" + id +
         R"(","status":"ok","input":{"path":{"bytes":"/2E="}},"params":{"recipe":"abc"}})" + "\n";
}

TEST(EarlierRecords, AreReadWithoutSummariesAndACutLastLine) {
  const test::TempDir dir;
  const std::string summary = R"({"schema":"r1.summary/1","index":null,"id":null,"ok":2})";
  test::write_bytes(dir / "f",
                    record("a", 0) + record("b", 1) + summary + "\n" + R"({"schema":"r)");
  const auto records = read_earlier(dir / "f", "r1.test/1");
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1].id, "b");
  EXPECT_EQ(records[1].status, "ok");
  EXPECT_EQ(records[1].recipe, "abc");
  EXPECT_EQ(records[1].path,
            "\xFF"
            "a");
  EXPECT_EQ(records[1].line, record("b", 1));
}

TEST(EarlierRecords, AFileThatHoldsSomethingElseIsRefusedWithItsLine) {
  const test::TempDir dir;
  for (const std::string bad : {"not json\n", "5\n", "{}\n", "no newline", "{}",
                                R"({"schema":"r1.test/1","id":5,"status":"ok"})"
                                "\n",
                                R"({"schema":"r1.test/1","id":"a"})"
                                "\n",
                                R"({"schema":"r1.bench/1","id":"a","status":"ok"})"
                                "\n",
                                R"({"id":"a","status":"ok"})"
                                "\n"}) {
    test::write_bytes(dir / "f", record("a", 0) + bad);
    EXPECT_FAILS(ErrorKind::usage, "f:2: ", read_earlier(dir / "f", "r1.test/1"));
  }
  EXPECT_FAILS(ErrorKind::usage, "none", read_earlier(dir / "none", "r1.test/1"));
}

TEST(EarlierRecords, AnIndexIsReplacedAndNothingElse) {
  EXPECT_EQ(with_index(record("\\\"index\\\":7,", 12), 345), record("\\\"index\\\":7,", 345));
}

TEST(ResumedJournal, BrokenOffItHoldsAllLinesAndClosedThemInOrder) {
  const test::TempDir dir;
  const std::string a = record("a", 0), b = record("b", 9), c = record("c", 5);
  {
    ResumedJournal journal(dir / "f", {a, b, c});
    journal.add(1, record("new", 1));
  }
  EXPECT_EQ(read_file(dir / "f.partial"), a + b + c + record("new", 1));
  EXPECT_FALSE(std::filesystem::exists(dir / "f"));
  ResumedJournal journal(dir / "f", {a, b, c});
  journal.add(2, record("new", 2));
  journal.add_kept(1, a);
  journal.add_kept(0, b);
  journal.close({c}, "summary\n");
  EXPECT_EQ(read_file(dir / "f"),
            record("b", 0) + record("a", 1) + record("new", 2) + record("c", 3) + "summary\n");
  EXPECT_FALSE(std::filesystem::exists(dir / "f.partial"));
}

TEST(Base64, GivesBackWhatWentIn) {
  EXPECT_EQ(base64("\xFF"
                   "a"),
            "/2E=");
  for (std::uint64_t n = 0; n < 200; ++n) {
    std::string bytes;
    for (std::uint64_t i = 0; i < n; ++i) bytes += static_cast<char>(random_bits(1, n, i));
    EXPECT_EQ(from_base64(base64(bytes)), bytes);
  }
  for (const char* bad : {"/2E", "/2F=", "=", "/2E=x", "\n"})
    EXPECT_FAILS(ErrorKind::decode, "base64", from_base64(bad));
}

}  // namespace
}  // namespace r1
