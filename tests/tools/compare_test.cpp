#include "tools/bench/compare.h"

#include <gtest/gtest.h>

#include "tests/support/fails.h"

namespace r1 {
namespace {

std::string record(const std::string& id, const std::string& samples,
                   const std::string& more = "") {
  return R"({"schema":"r1.bench/1","id":")" + id + R"(","samples_ns":[)" + samples + "]" + more +
         "}\n";
}

std::string written(const Compared& compared, const std::string& format) {
  std::string text;
  write_comparison(compared, format, [&](std::string_view part) { text += part; });
  return text;
}

TEST(Compare, RecordsOfOneTestAreOneAndFailedOnesAreNone) {
  const auto tests =
      read_tests(record("a", "1,2") + record("b", "") + "\n" + record("a", "3"), "f");
  ASSERT_EQ(tests.size(), 1u);
  EXPECT_EQ(tests[0].samples_ns, (std::vector<double>{1, 2, 3}));
}

TEST(Compare, ModelsAreToldApartByName) {
  const auto tests = read_tests(record("a", "1", R"(,"model":{"name":"x/m.gguf"})") +
                                    record("a", "2", R"(,"model":{"name":"n.gguf"})"),
                                "f");
  ASSERT_EQ(tests.size(), 2u);
  EXPECT_EQ(tests[0].model, "m.gguf");
}

// A test that no longer runs is slower than any.
TEST(Compare, ATestThatFailsIsSaid) {
  const auto failed = [](const char* id) { return record(id, "", R"(,"status":"error")"); };
  const auto old = read_tests(record("a", "1,2") + record("b", "1,2"), "f");
  const Compared compared = compare(old, read_tests(record("a", "1,2") + failed("b"), "f"));
  EXPECT_TRUE(compared.failed);
  EXPECT_EQ(compared.tests.size(), 1u);
  EXPECT_EQ(compared.warnings, std::vector<std::string>{"b: failed in the new file"});
  EXPECT_FALSE(compare(read_tests(failed("b") + record("a", "1"), "f"), old).failed);
  EXPECT_FALSE(
      compare(old, read_tests(failed("b") + record("a", "1") + record("b", "2"), "f")).failed);
}

TEST(Compare, WhatIsNoRecordIsRefusedByLine) {
  EXPECT_FAILS(ErrorKind::decode, "f:2: no record", read_tests(record("a", "1") + "{}\n", "f"));
  EXPECT_FAILS(ErrorKind::decode, "f", read_tests("[", "f"));
  EXPECT_FAILS(ErrorKind::decode, "f:1: no record", read_tests("3", "f"));
  EXPECT_FAILS(ErrorKind::decode, "not positive", read_tests(record("a", "0"), "f"));
  EXPECT_FAILS(ErrorKind::decode, "f:1", read_tests(R"({"schema":"r1.bench/1"})", "f"));
  EXPECT_FAILS(ErrorKind::decode, "f: no record", read_tests("[3]", "f"));
  EXPECT_FAILS(ErrorKind::decode, "f holds no records", read_tests("", "f"));
  EXPECT_FAILS(ErrorKind::decode, "f holds no records", read_tests("[]", "f"));
  EXPECT_FAILS(ErrorKind::decode, "f:1: id is a number",
               read_tests(R"({"schema":"r1.bench/1","id":1,"samples_ns":[1]})", "f"));
}

TEST(Compare, TwiceAsFastIsFasterAndHalfIsSlower) {
  const auto slow = read_tests(record("a", "20,21,22,23,24"), "f");
  const auto quick = read_tests(record("a", "10,10.5,11,11.5,12"), "g");
  const Comparison up = compare(slow, quick).tests.at(0), down = compare(quick, slow).tests.at(0);
  EXPECT_EQ(up.speed.value, 2);
  EXPECT_EQ(up.verdict, "faster");
  EXPECT_EQ(down.speed.value, 0.5);
  EXPECT_EQ(down.verdict, "slower");
  EXPECT_TRUE(down.slower_than(0.49));
  EXPECT_FALSE(down.slower_than(0.51));
  EXPECT_FALSE(up.slower_than(0));
}

TEST(Compare, NoiseIsTheSameAndFewSamplesAreUnsure) {
  const auto a = read_tests(record("a", "10,30,20,25,15"), "f");
  const auto b = read_tests(record("a", "31,11,26,21,16"), "g");
  EXPECT_EQ(compare(a, b).tests.at(0).verdict, "same");
  EXPECT_FALSE(compare(a, b).tests.at(0).slower_than(0));
  const auto few = read_tests(record("a", "40,41"), "h");
  EXPECT_EQ(compare(a, few).tests.at(0).verdict, "unsure");
  EXPECT_TRUE(compare(a, few).tests.at(0).slower_than(0.1));  // no interval speaks for chance
}

TEST(Compare, WhatCastsDoubtIsSaid) {
  const std::string one = R"(,"cpu":{"name":"one"},"test":{"dtype":"f32"})";
  const auto a =
      read_tests(record("a", "1,1", one) + record("b", "1") + record("d", "1", one), "f");
  const auto b = read_tests(
      record("a", "1", R"(,"cpu":{"name":"other"},"test":{"dtype":"bf16"},"interference":0.2)") +
          record("c", "1") + record("d", "1", R"(,"cpu":{"name":"other"})"),
      "g");
  EXPECT_EQ(compare(a, b).warnings,
            (std::vector<std::string>{"a and 1 more: cpu.name was one and is other",
                                      "a: test.dtype was f32 and is bf16",
                                      "a: other processes took up to 20 % of the CPU time",
                                      "b: only in the old file", "c: only in the new file"}));
}

TEST(Compare, WhatIsNotOneTestIsNotTakenTogether) {
  const auto with = [](const std::string& field) { return record("a", "1", "," + field); };
  for (const auto& pair :
       {std::pair(R"("test":{"dtype":"f32"})", R"("test":{"dtype":"bf16"})"),
        std::pair(R"("model":{"name":"m","digest":"1"})", R"("model":{"name":"m","digest":"2"})"),
        std::pair(R"("gpu":"H100")", R"("gpu":"H200")"),
        std::pair(R"("serve":{"rate":1})", R"("serve":{"rate":2})")})
    EXPECT_FAILS(ErrorKind::decode, "these are two tests",
                 read_tests(with(pair.first) + with(pair.second), "f"));
  EXPECT_EQ(read_tests(with(R"("gpu":null)") + with(R"("gpu":"H100")"), "f").size(), 1u);
}

TEST(Compare, ManyTestsAreFoundInTime) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += record(fmt::format("t{}", i), "1");
  const auto tests = read_tests(text, "f");
  EXPECT_EQ(tests.size(), 20'000u);
  EXPECT_EQ(compare(tests, tests).tests.size(), 20'000u);
}

TEST(Compare, SpaceAroundRecordsIsNone) {
  EXPECT_EQ(read_tests(" \n[" + record("a", "1") + "]\n", "f").size(), 1u);
  EXPECT_EQ(read_tests("\r\n" + record("a", "1") + "\r\n  \n", "f").size(), 1u);
}

TEST(Compare, NamesDriveNoTerminalAndNoTable) {
  const auto a = read_tests(record(R"(a\nb|c\u001b)", "1,2"), "f");
  const Compared c = compare(a, read_tests(record("d", "1"), "g"));
  EXPECT_EQ(c.warnings.at(0), "a\\nb|c\\x1b: only in the old file");
  const std::string md = written(compare(a, a), "md");
  EXPECT_NE(md.find("| a\\nb\\|c\\x1b |"), std::string::npos) << md;
}

TEST(Compare, EveryFormSaysTheSame) {
  const auto a = read_tests(record("a", "20,21,22,23,24"), "f");
  const auto b = read_tests(record("a", "10,10.5,11,11.5,12"), "g");
  const Compared c = compare(a, b);
  EXPECT_EQ(written(c, "md"),
            "| test | old | new | speed | 95 % interval | verdict |\n"
            "|---|---:|---:|---:|---:|---|\n"
            "| a | 22.0 ns | 11.0 ns | 2.000× | 1.750–2.286 | faster |\n");
  EXPECT_EQ(written(c, "table"),
            "test       old       new   speed   95 % interval  verdict\n"
            "a      22.0 ns   11.0 ns  2.000×     1.750–2.286  faster\n");
  const std::string csv = written(c, "csv");
  EXPECT_TRUE(
      csv.starts_with("schema,index,id,status,model,old_ns,new_ns,speed,low,high,verdict\n"
                      "r1.compare/1,0,a,ok,,22,11,2,"))
      << csv;
  EXPECT_NE(written(c, "sql").find("VALUES ('r1.compare/1', 0, 'a', 'ok', NULL, 22, 11, 2, "),
            std::string::npos);
  EXPECT_EQ("[" + written(c, "jsonl").substr(0, written(c, "jsonl").size() - 1) + "]\n",
            written(c, "json"));
}

}  // namespace
}  // namespace r1
