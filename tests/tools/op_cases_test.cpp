#include <fstream>
#include <regex>
#include <set>

#include <gtest/gtest.h>

#include "lib/backend/open_backend.h"
#include "tools/bench/op_case.h"
#include "tools/bench/plot.h"

namespace r1 {
namespace {

// What backend.h declares is what --ops measures: a new operation is not forgotten.
TEST(OpCases, EveryOperationOfTheBackendIsThere) {
  std::ifstream header(R1_SOURCE_DIR "/lib/backend/backend.h");
  ASSERT_TRUE(header);
  const std::regex declaration(R"(^  virtual void (\w+)\()");
  const std::set<std::string> no_work = {"release", "copy_from_host", "copy_to_host", "copy",
                                         "zero",    "synchronize",    "reset_peak"};
  std::set<std::string> declared, measured;
  std::smatch found;
  for (std::string line; std::getline(header, line);)
    if (std::regex_search(line, found, declaration) && !no_work.contains(found[1]))
      declared.insert(found[1]);
  for (const OpCase& op : op_cases()) measured.insert(op.op);
  EXPECT_GT(declared.size(), 25u);
  EXPECT_EQ(measured, declared);
}

TEST(OpCases, IdsAreUnique) {
  std::set<std::string> ids;
  for (const OpCase& op : op_cases()) EXPECT_TRUE(ids.insert(op.id()).second) << op.id();
}

// Each runs, and says what it moves.
TEST(OpCases, EachRunsOnTheCpu) {
  const auto backend = open_backend("cpu", {.threads = 1});
  for (const OpCase& op : op_cases()) {
    if (op.large) continue;
    if (op.rows == 512 && op.op == "linear" && op.dtype != DType::q8_0) continue;  // long
    SCOPED_TRACE(op.id());
    const Runnable r = op_runnable(op, *backend);
    r.run();
    EXPECT_GT(r.work.bytes, 0);
  }
}

TEST(Plot, ALogarithmicAxisHasEqualSteps) {
  const LogAxis axis{1, 1000, 0, 300};
  EXPECT_DOUBLE_EQ(axis.at(10), 100);
  EXPECT_DOUBLE_EQ(axis.at(100), 200);
  EXPECT_EQ(axis.at(0.1), 0);  // what lies outside is drawn at the edge
  EXPECT_EQ(axis.ticks(), (std::vector<double>{1, 10, 100, 1000}));
  EXPECT_EQ((LogAxis{1, 8, 0, 1}).ticks(), (std::vector<double>{1, 2, 4, 8}));
}

// A point at the knee of the f32 roof: where the memory's slope and the roof meet.
TEST(Plot, ARecordIsDrawnUnderItsRoof) {
  BenchRecord r;
  r.id = "op:<x>&\x01";
  r.samples_ns = {1};
  r.tflop_per_s = 0.1;
  r.gb_per_s = 10;
  const Limits limits{.read_all = 10, .products = {{DType::f32, 100}}};
  const std::string svg = plot_svg({r}, limits);
  EXPECT_NE(svg.find("op:&lt;x&gt;&amp; </title>"), std::string::npos);
  // x from 1 to 1000 over 72 … 700, y from 1 to 100 over 352 … 64.
  EXPECT_NE(svg.find("cx=\"281.3\" cy=\"64.0\""), std::string::npos) << svg;
  EXPECT_EQ(svg.find("Sequences at once"), std::string::npos);
}

TEST(Plot, SeveralBatchSizesMakeACurve) {
  std::vector<BenchRecord> records(2);
  for (std::size_t i = 0; i < 2; ++i) {
    records[i].id = "tg";
    records[i].test.kind = "decode";
    records[i].test.batch_size = static_cast<std::int64_t>(1 + 3 * i);
    records[i].tokens = 1;
    records[i].samples_ns = {1e9};
  }
  const Limits limits{.read_all = 10, .products = {{DType::f32, 100}}};
  EXPECT_NE(plot_svg(records, limits).find("Sequences at once"), std::string::npos);
}

}  // namespace
}  // namespace r1
