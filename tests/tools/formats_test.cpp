#include "tools/bench/formats.h"

#include <algorithm>
#include <limits>
#include <set>

#include <gtest/gtest.h>

namespace r1 {
namespace {

BenchRecord record() {
  BenchRecord r;
  r.id = "tg128@d64";
  r.model = MeasuredModel{"dir/a,\"b\".gguf", "header:00", "q8_0", 100, 50};
  r.test.kind = "decode";
  r.test.max_tokens = 128;
  r.samples_ns = {2e6, 1e6, 3e6};
  r.tokens = 128;
  r.gb_per_s = 8.0;
  r.tflop_per_s = 0.5;
  r.limit = Limit{"memory", 16, 1, 1e6};
  r.price_per_hour = 3.6;
  r.time = "2026-11-25T00:00:00Z";
  return r;
}

std::string written(const std::string& format, const std::vector<BenchRecord>& records,
                    bool priced = false) {
  std::string text;
  const auto writer = record_writer(format, {{"a,\"b\".gguf (q8_0)", "tg128@d64"}}, priced,
                                    [&](std::string_view part) { text += part; });
  for (const BenchRecord& r : records) writer->add(r);
  writer->end();
  return text;
}

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST(Formats, ARecordHasItsRatesFromTheMedian) {
  const BenchRecord r = record();
  EXPECT_EQ(*r.tokens_per_s(), 64000);
  EXPECT_EQ(*r.share_of_peak(), 0.5);
  EXPECT_EQ(*r.price_per_million(), 3.6 / 3600 / 64000 * 1e6);
}

TEST(Formats, ATableIsAlignedAndPricedWhenAsked) {
  EXPECT_EQ(
      written("table", {record()}, true),
      "model              test           time      ±          speed    share of peak  price/1M\n"
      "a,\"b\".gguf (q8_0)  tg128@d64   2.00 ms  50.0%    64000 tok/s    50% of memory    "
      "0.0156\n");
}

TEST(Formats, WithoutAModelNothingHasAPrice) {
  std::string text;
  BenchRecord r = record();
  r.model.reset();
  const auto writer =
      record_writer("md", {{"", r.id}}, true, [&](std::string_view part) { text += part; });
  writer->add(r);
  EXPECT_EQ(text.find("price"), std::string::npos) << text;
}

TEST(Formats, NamesBreakNoLineAndDriveNoTerminal) {
  BenchRecord r = record();
  r.model->name = "a\nb|c\x1b\r.gguf";
  for (const char* format : {"table", "md", "benchstat"}) {
    const std::string text = written(format, {r});
    EXPECT_EQ(text.find_first_of("\r\x1b"), std::string::npos) << text;
    EXPECT_EQ(lines(text), std::string(format) == "table" ? 2u
                           : std::string(format) == "md"  ? 3u
                                                          : 7u);
  }
}

// As JSON has it: what belongs to no character is replaced.
TEST(Formats, CsvAndSqlAreUtf8) {
  BenchRecord r = record();
  r.model->name = "a\xffz.gguf";
  for (const char* format : {"csv", "sql"})
    EXPECT_NE(written(format, {r}).find("a\uFFFDz.gguf"), std::string::npos)
        << written(format, {r});
}

TEST(Formats, MarkdownHasARuleAndItsBarsAreEscaped) {
  BenchRecord r = record();
  r.model->name = "a|b";
  const std::string text = written("md", {r});
  EXPECT_EQ(lines(text), 3u);
  EXPECT_NE(text.find("\n|---|---|---:|---:|---:|---:|\n"), std::string::npos) << text;
  EXPECT_NE(text.find("| a\\|b (q8_0) |"), std::string::npos) << text;
}

TEST(Formats, JsonIsAListAndJsonlLines) {
  const Json document = parse_json(written("json", {record(), record()}), "json");
  ASSERT_EQ(document.array("json").size(), 2u);
  EXPECT_EQ(parse_json(written("json", {}), "json").array("json").size(), 0u);
  EXPECT_EQ(lines(written("jsonl", {record(), record()})), 2u);
}

TEST(Formats, NoNumberIsNotANumber) {
  BenchRecord r = record();
  r.gb_per_s = std::numeric_limits<double>::quiet_NaN();
  r.ttft_ns = std::numeric_limits<double>::infinity();
  const Json json = parse_json(written("jsonl", {r}), "json");
  EXPECT_TRUE(json.at("gb_per_s", "json").is_null());
  EXPECT_TRUE(json.at("ttft_ns", "json").is_null());
  EXPECT_EQ(written("csv", {r}).find("nan"), std::string::npos);
  EXPECT_EQ(written("sql", {r}).find("inf"), std::string::npos);
}

TEST(Formats, CsvQuotesWhatHasACommaOrAQuote) {
  const std::string text = written("csv", {record()});
  EXPECT_EQ(lines(text), 2u);
  EXPECT_NE(text.find(",\"dir/a,\"\"b\"\".gguf\",header:00,q8_0,100,50,decode,,128,"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(",\"[2000000,1000000,3000000]\","), std::string::npos) << text;
}

TEST(Formats, SqlMakesTheTableOnceAndQuotesText) {
  BenchRecord r = record();
  r.model->name = "it's";
  const std::string text = written("sql", {r, r});
  EXPECT_EQ(lines(text), 3u);
  EXPECT_TRUE(
      text.starts_with("CREATE TABLE IF NOT EXISTS r1_bench (\"schema\" text, \"index\" bigint, "));
  EXPECT_NE(text.find("'it''s'"), std::string::npos);
  EXPECT_NE(text.find("NULL"), std::string::npos);
}

TEST(Formats, BenchstatHasALineASample) {
  const std::string text = written("benchstat", {record()});
  EXPECT_NE(text.find("\nBenchmarkTg128@d64/model=a,\"b\".gguf_(q8_0) 1 2000000.0 ns/op "
                      "64000.000 tok/s 8.000 GB/s\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(lines(text), 4u + 3u);
}

TEST(Formats, AFailedTestIsARowWithoutNumbers) {
  BenchRecord r;
  r.id = "pp512";
  r.error_code = "E_TOO_LONG";
  EXPECT_NE(written("table", {r}).find("pp512        failed\n"), std::string::npos)
      << written("table", {r});
  EXPECT_EQ(lines(written("benchstat", {r})), 4u);
}

TEST(Formats, QualityHasATableOfItsOwn) {
  BenchRecord r = record();
  r.samples_ns.clear();
  r.test.kv_type = "f16";
  r.quality =
      QualityInfo{.perplexity = {12.3456, 0.5}, .bits_per_byte = {0.9}, .accuracy = {0.25, 0.01}};
  BenchRecord held = r;
  held.quality->perplexity = {123456.7, 89};
  held.quality->base = {"b", {1.00123, 0.0002}, {0.0012345, 0.00006}, {0.98765, 0.004}};
  BenchRecord near = held;
  near.quality->base->kl = {0.0000901, 0.0000031};
  BenchRecord failed = r;
  failed.quality.reset();
  failed.error_code = "E_MODEL";
  std::string text;
  const auto writer = record_writer("md", {{.model = "m", .quality = true, .against_base = true}},
                                    false, [&](std::string_view part) { text += part; });
  for (const BenchRecord& one : {r, held, near, failed}) writer->add(one);
  EXPECT_EQ(
      text,
      "| model | cache | perplexity | bits per byte | accuracy | over base | KL to base | same top "
      "1 "
      "|\n"
      "|---|---|---:|---:|---:|---:|---:|---:|\n"
      "| a,\"b\".gguf (q8_0) | f16 | 12.346 ± 0.500 | 0.9000 | 25.00 ± 1.00% |  |  |  |\n"
      "| a,\"b\".gguf (q8_0) | f16 | 123457 ± 89 | 0.9000 | 25.00 ± 1.00% | 1.0012 ± 0.0002 | "
      "0.00123 ± 0.00006 | 98.77 ± 0.40% |\n"
      "| a,\"b\".gguf (q8_0) | f16 | 123457 ± 89 | 0.9000 | 25.00 ± 1.00% | 1.0012 ± 0.0002 | "
      "0.000090 ± 0.000003 | 98.77 ± 0.40% |\n"
      "| a,\"b\".gguf (q8_0) |  | failed |  |  |  |  |  |\n");
}

// Every field of a record has a column, and every column is a field.
TEST(Formats, ColumnsAreTheFieldsOfARecord) {
  BenchRecord full = record();
  full.quality.emplace();
  full.error_code = full.error = "x";
  std::set<std::string> fields;
  const Json json = to_json(full);
  for (const auto& [name, value] : json.object("record"))
    if (value.is_object())
      for (const auto& [inner, unused] : value.object("record")) fields.insert(name + "." + inner);
    else
      fields.insert(name);
  std::set<std::string> columns;
  for (const auto& [name, type] : record_columns()) columns.insert(name);
  EXPECT_EQ(columns, fields);
}

TEST(Formats, NumbersHaveThreeDigitsAndUnits) {
  EXPECT_EQ(shown_time(12.34), "12.3 ns");
  EXPECT_EQ(shown_time(1234), "1.23 µs");
  EXPECT_EQ(shown_time(1.5e6), "1.50 ms");
  EXPECT_EQ(shown_time(12.5e9), "12.5 s");
  EXPECT_EQ(shown_number(0.1234), "0.123");
  EXPECT_EQ(shown_number(0.01234), "0.0123");
  EXPECT_EQ(shown_number(0.00001234), "0.0000123");
  EXPECT_EQ(shown_number(0), "0.000");
  EXPECT_EQ(shown_bytes(638e6), "638 MB");
  EXPECT_EQ(characters("µ×–a"), 4u);
}

}  // namespace
}  // namespace r1
