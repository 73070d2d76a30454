#include "lib/base/json.h"

#include <bit>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "lib/base/random.h"
#include "lib/base/utf8.h"
#include "tests/support/fails.h"

namespace r1 {
namespace {

TEST(Json, ReadsEveryKindOfValue) {
  const Json json =
      parse_json(R"({"a":[1,-2,3.5,true,null,"ü\n"],"b":{"c":18446744073709551615}})", "x");
  const Json::Array& a = json.at("a", "x").array("a");
  EXPECT_EQ(a[0].integer("a"), 1);
  EXPECT_EQ(a[1].integer("a"), -2);
  EXPECT_EQ(a[2].number("a"), 3.5);
  EXPECT_TRUE(a[3].boolean("a"));
  EXPECT_TRUE(a[4].is_null());
  EXPECT_EQ(a[5].string("a"), "ü\n");
  EXPECT_EQ(json.at("b", "x").at("c", "b").number("c"), 18446744073709551615.0);
}

TEST(Json, WholeNumbersMayBeWrittenAsFloats) {
  EXPECT_EQ(parse_json("1e6", "x").integer("theta"), 1000000);
  EXPECT_EQ(parse_json("3.0", "x").integer("n"), 3);
  EXPECT_FAILS(ErrorKind::decode, "n is 3.5, not a whole number",
               parse_json("3.5", "x").integer("n"));
  EXPECT_FAILS(ErrorKind::decode, "n is a string, not a whole number",
               parse_json("\"3\"", "x").integer("n"));
}

// Python writes int(1e30) so, for lengths without a limit.
TEST(Json, WholeNumbersOfMoreThan64BitsAreFractions) {
  const Json json = parse_json(
      R"({"1000000000000000019884624838656":[1000000000000000019884624838656,-9223372036854775809,)"
      R"(18446744073709551615,1.5e2,"\"1000000000000000019884624838656"]})",
      "x");
  const auto& [name, value] = json.object("x")[0];
  EXPECT_EQ(name, "1000000000000000019884624838656");
  const Json::Array& a = value.array("x");
  EXPECT_EQ(a[0].number("x"), 1e30);
  EXPECT_EQ(a[1].number("x"), -9223372036854775808.0);
  EXPECT_EQ(a[2].number("x"), 18446744073709551615.0);
  EXPECT_EQ(a[3].integer("x"), 150);
  EXPECT_EQ(a[4].string("x"), "\"1000000000000000019884624838656");
  EXPECT_FAILS(ErrorKind::decode, "not valid JSON",
               parse_json("[1000000000000000019884624838656, 01]", "x"));
}

TEST(Json, WhatIsNotStrictIsRefused) {
  for (const char* bad : {"",
                          "{",
                          "[1,]",
                          "tru",
                          "1.2.3",
                          "\"\\x\"",
                          "{} {}",
                          "[NaN]",
                          "[1e999]",
                          "\"\xff\"",
                          "\"a\nb\"",
                          "\"\\ud800\"",
                          "{'a':1}",
                          "[1] x",
                          "{\"a\":1,\"a\":2}",
                          "[{\"a\":1,\"\\u0061\":2}]",
                          "\xEF\xBB\xBF{}",
                          "{\"a\\u0000b\":1}",
                          "[01]",
                          "[+1]",
                          "// c\n1"})
    EXPECT_NE(test::failure([&] { parse_json(bad, "x"); }), "nothing") << bad;
}

TEST(Json, DepthIsLimited) {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_NO_THROW(parse_json(nested(64), "x"));
  EXPECT_FAILS(ErrorKind::limit, "nested too deeply", parse_json(nested(66), "x"));
  EXPECT_FAILS(ErrorKind::limit, "nested too deeply", parse_json(nested(100000), "x"));
  EXPECT_FAILS(ErrorKind::limit, "nested too deeply",
               parse_json("[1" + std::string(30, '0') + "," + nested(100000) + "]", "x"));
}

TEST(JsonWriter, WritesMembersInOrder) {
  JsonWriter w;
  w.begin_object().key("b").integer(1).key("a").begin_array().null().boolean(false).end_array();
  w.key("s").string("a\"\\\n\x1b\u202e").key("x").number(0.1).end_object();
  EXPECT_EQ(w.text(), R"({"b":1,"a":[null,false],"s":"a\"\\\n\u001b\u202e","x":0.1})");
}

TEST(JsonWriter, WhatJsonCannotSayBecomesNull) {
  JsonWriter w;
  w.begin_array().number(NAN).number(std::numeric_limits<double>::infinity()).end_array();
  EXPECT_EQ(w.text(), "[null,null]");
}

TEST(JsonWriter, AnyFiniteNumberReadsBackTheSame) {
  std::vector<double> numbers = {0.0, 1e18, -3.2584603233234714624e19, 1.8446744073709552e19,
                                 5e-324};
  for (std::uint64_t i = 0; i < 20000; ++i)
    numbers.push_back(std::bit_cast<double>(random_bits(1, 4, i)));
  for (const double number : numbers) {
    if (!std::isfinite(number)) continue;
    JsonWriter w;
    w.number(number);
    ASSERT_EQ(parse_json(w.text(), "x").number("x"), number) << w.text();
  }
}

TEST(JsonWriter, AnyBytesReadBackAsTheirUtf8) {
  for (std::uint64_t seed = 0; seed < 5000; ++seed) {
    std::string bytes;
    for (std::uint64_t i = 0; i < 24; ++i)
      bytes += static_cast<char>(random_bits(seed, 3, i) >> (seed % 2 == 0 ? 8 : 57));
    JsonWriter w;
    w.string(bytes);
    Utf8Stream stream;
    std::string want = stream.push(bytes);
    want += stream.finish();
    ASSERT_EQ(parse_json(w.text(), "x").string("x"), want) << seed;
  }
}

TEST(JsonWriter, AReadDocumentIsWrittenTheSame) {
  const std::string text =
      R"({"a":[1,-2,0.5,8.0,1e+06,true,null,"x"],"b":{},"c":[],"d":18446744073709551615})";
  EXPECT_EQ(JsonWriter().exact(parse_json(text, "x")).text(), text);
  EXPECT_EQ(JsonWriter().value(parse_json("[8.0]", "x")).text(), "[8]");
}

}  // namespace
}  // namespace r1
