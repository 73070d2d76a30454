// Safetensors files and indexes that lie, one part at a time: each is one line that says what and
// where.
#include <gtest/gtest.h>

#include "lib/io/weights.h"
#include "tests/support/fails.h"
#include "tests/support/raw_bytes.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

using test::raw_safetensors;
using test::u64;
using Kind = ErrorKind;

struct Lie {
  std::string header;
  std::size_t bytes;
  Kind kind;
  std::string says;
};

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
         offsets + "}";
}
const std::string kA = entry("a", "F32", "[2,2]", "[0,16]");

void expect_refused(const std::vector<Lie>& lies) {
  const std::size_t before = test::peak_memory();
  for (const Lie& lie : lies) {
    const std::string bytes = raw_safetensors(lie.header, lie.bytes);
    const std::string why = test::failure([&] { parse_safetensors(as_bytes(bytes), "m.st"); });
    EXPECT_TRUE(why.starts_with(std::string(code(lie.kind)) + ": ")) << why << ": " << lie.header;
    EXPECT_NE(why.find(lie.says), std::string::npos) << why << "\nwanted: " << lie.says;
    EXPECT_NE(why.find("m.st"), std::string::npos) << why;
    EXPECT_EQ(why.find('\n'), std::string::npos) << why;
  }
  EXPECT_LT(test::peak_memory() - before, test::kFewBytes);
}

TEST(HostileSafetensors, TheHonestOneIsRead) {
  const std::string bytes = raw_safetensors("{" + kA + "}   ", 16);
  EXPECT_EQ(parse_safetensors(as_bytes(bytes), "m.st").tensors.size(), 1u);
  EXPECT_EQ(parse_safetensors(as_bytes(raw_safetensors("{}", 0)), "m.st").tensors.size(), 0u);
}

TEST(HostileSafetensors, TheLengthOfTheHeaderIsChecked) {
  const auto refused = [](const std::string& bytes, Kind kind, const char* says) {
    EXPECT_FAILS(kind, says, parse_safetensors(as_bytes(bytes), "m.st"));
  };
  refused("", Kind::truncated, "is empty");
  refused("1234567", Kind::truncated, "wants 8 bytes at 0, and has 7");
  refused(u64(0) + "{}", Kind::decode, "says its header has 0 bytes");
  refused(u64(1) + "{}", Kind::decode, "says its header has 1 bytes");
  refused(u64(3) + "{}", Kind::truncated, "wants 3 bytes at 8, and has 2");
  refused(u64(100'000'000) + "{}", Kind::truncated, "wants 100000000 bytes");
  refused(u64(100'000'001) + "{}", Kind::decode, "header has 100000001 bytes");
  refused(u64(UINT64_MAX) + "{}", Kind::decode, "header has 18446744073709551615 bytes");
  const std::string whole = raw_safetensors("{" + kA + "}", 16);
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FAILS(Kind::truncated, "m.st",
                 parse_safetensors(as_bytes(whole.substr(0, size)), "m.st"));
}

TEST(HostileSafetensors, TheHeaderIsOneStrictObject) {
  expect_refused(
      {{"[]", 0, Kind::decode, "does not begin with {"},
       {" {}", 0, Kind::decode, "does not begin with {"},
       {"\xEF\xBB\xBF{}", 0, Kind::decode, "does not begin with {"},
       {"{}x", 0, Kind::decode, "does not end with }"},
       {"{}\n", 0, Kind::decode, "does not end with }"},
       {std::string("{}\0", 3), 0, Kind::decode, "does not end with }"},
       {"{} {}", 0, Kind::decode, "m.st header is not valid JSON"},
       {"{" + kA + ",}", 16, Kind::decode, "is not valid JSON"},
       {"{'a':1}", 0, Kind::decode, "is not valid JSON"},
       {"{\"\xff\":1}", 0, Kind::decode, "is not valid JSON"},
       {"{" + kA + "," + kA + "}", 16, Kind::decode, "has the key a twice"},
       {R"({"\u0061":{},"a":{}})", 0, Kind::decode, "has the key a twice"},
       {R"({"a\u0000":{}})", 0, Kind::decode, "a key with a NUL byte"},
       {R"({"__metadata__":[]})", 0, Kind::decode, "__metadata__ is a list, not an object"},
       {R"({"__metadata__":{"k":1}})", 0, Kind::decode, "__metadata__ k is a number, not a string"},
       {R"({"__metadata__":{"k":"1","k":"2"}})", 0, Kind::decode, "has the key k twice"},
       {R"({"__metadata__":{},"__metadata__":{}})", 0, Kind::decode, "twice"},
       {"{\"a\":" + std::string(70, '[') + std::string(70, ']') + "}", 0, Kind::limit,
        "nested too deeply"}});
}

TEST(HostileSafetensors, AnEntryHasItsThreeMembersAndNoOther) {
  const std::string other = "other members than dtype, shape and data_offsets";
  expect_refused(
      {{R"({"a":7})", 0, Kind::decode, "a is a number, not an object"},
       {R"({"a":{}})", 0, Kind::decode, "a has " + other},
       {R"({"a":{"dtype":"F32","shape":[1]}})", 4, Kind::decode, other},
       {R"({"a":{"dtype":"F32","shape":[1],"offsets":[0,4]}})", 4, Kind::decode,
        "a has no data_offsets"},
       {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4, Kind::decode, other},
       {"{" + entry("", "F32", "[1]", "[0,4]") + "}", 4, Kind::decode, "the name ''"},
       {"{" + entry(std::string(1025, 'n'), "F32", "[1]", "[0,4]") + "}", 4, Kind::decode,
        "the name 'nnnn"},
       {"{" + entry("a\\u001bb", "F32", "[1]", "[0,4]") + "}", 4, Kind::decode, "'a\\x1bb'"},
       {"{" + entry("a", "F33", "[1]", "[0,4]") + "}", 4, Kind::format, "a has the type F33"},
       {"{" + entry("a", "f32", "[1]", "[0,4]") + "}", 4, Kind::format, "a has the type f32"},
       {R"({"a":{"dtype":1,"shape":[1],"data_offsets":[0,4]}})", 4, Kind::decode,
        "a is a number, not a string"}});
}

TEST(HostileSafetensors, AShapeIsAFewWholeNumbersThatFitTheOffsets) {
  const auto shape = [](const std::string& s) {
    return "{" + entry("a", "F32", s, "[0,16]") + "}";
  };
  const auto offsets = [](const std::string& o) {
    return "{" + entry("a", "F32", "[2,2]", o) + "}";
  };
  expect_refused({{shape("4"), 16, Kind::decode, "a is a number, not a list"},
                  {shape("[-2,-2]"), 16, Kind::decode, "a has the number -2"},
                  {shape("[1.5]"), 16, Kind::decode, "a is 1.5, not a whole number"},
                  {shape("[\"2\"]"), 16, Kind::decode, "a is a string, not a whole number"},
                  {shape("[null]"), 16, Kind::decode, "a is null, not a whole number"},
                  {shape("[4294967296,4294967296]"), 16, Kind::decode, "is too large"},
                  {shape("[9223372036854775807]"), 16, Kind::decode, "a is too large"},
                  {shape("[18446744073709551615]"), 16, Kind::decode, "a is out of range"},
                  {shape("[1,1,1,1,4]"), 16, Kind::format, "a has 5 dimensions"},
                  {shape("[1,1,1,1,1,1,1,1,4]"), 16, Kind::format, "a has 9 dimensions"},
                  {shape("[5]"), 16, Kind::decode, "data_offsets 0 to 16 do not hold [5] of f32"},
                  {shape("[0]"), 16, Kind::decode, "data_offsets 0 to 16 do not hold [0] of f32"},
                  {shape("[4611686018427387904]"), 16, Kind::decode, "too large"},
                  {offsets("[16,0]"), 16, Kind::decode, "data_offsets 16 to 0 do not hold"},
                  {offsets("[0]"), 16, Kind::decode, "data_offsets are not two numbers"},
                  {offsets("[0,16,32]"), 16, Kind::decode, "data_offsets are not two numbers"},
                  {offsets("[-16,0]"), 16, Kind::decode, "a has the number -16"},
                  {offsets("[0,1e30]"), 16, Kind::decode, "a is out of range"},
                  {offsets("{}"), 16, Kind::decode, "a is an object, not a list"}});
}

TEST(HostileSafetensors, NoHoleNoOverlapNothingBehind) {
  const auto two = [](const std::string& from, const std::string& to) {
    return "{" + kA + "," + entry("b", "F32", "[1]", "[" + from + "," + to + "]") + "}";
  };
  expect_refused(
      {{"{" + kA + "}", 15, Kind::truncated, "a ends at byte 16 of the data, which has 15"},
       {"{" + kA + "}", 17, Kind::decode, "has 1 bytes behind its last tensor"},
       {"{}", 100, Kind::decode, "has 100 bytes behind its last tensor"},
       {two("0", "4"), 20, Kind::decode, "a begins at byte 0 of the data, not at 4"},
       {two("12", "16"), 20, Kind::decode, "b begins at byte 12 of the data, not at 16"},
       {two("20", "24"), 24, Kind::decode, "b begins at byte 20 of the data, not at 16"},
       {"{" + entry("a", "F32", "[1]", "[4,8]") + "}", 8, Kind::decode, "a begins at byte 4"}});
}

// A folder whose index says this, and whose one shard holds `a`.
std::string failure_with_index(const std::string& index) {
  const test::TempDir dir;
  test::write_bytes(dir / "config.json", "{}");
  test::write_bytes(dir / "model.safetensors.index.json", index);
  test::write_bytes(dir / "s.safetensors", raw_safetensors("{" + kA + "}", 16));
  return test::failure([&] { ModelFiles::open(dir.path()); });
}

TEST(HostileIndex, NamesPlainFilesThatHoldWhatItSays) {
  const auto map = [](const std::string& m) { return R"({"weight_map":)" + m + "}"; };
  EXPECT_EQ(failure_with_index(map(R"({"a":"s.safetensors"})")), "nothing");
  const std::vector<std::pair<std::string, std::string>> lies = {
      {"", "index.json is empty"},
      {"{", "is not valid JSON"},
      {"[]", "has no weight_map"},
      {"{}", "has no weight_map"},
      {map("[]"), "is a list, not an object"},
      {map("{}"), "names no file"},
      {map(R"({"a":1})"), "a is a number, not a string"},
      {map(R"({"a":"../s.safetensors"})"), "../s.safetensors is not a plain file name"},
      {map(R"({"a":"/etc/passwd"})"), "/etc/passwd is not a plain file name"},
      {map(R"({"a":"x/s.safetensors"})"), "is not a plain file name"},
      {map(R"({"a":"x\\s.safetensors"})"), "is not a plain file name"},
      {map(R"({"a":".."})"), ".. is not a plain file name"},
      {map(R"({"a":"."})"), ". is not a plain file name"},
      {map(R"({"a":""})"), " is not a plain file name"},
      {map(R"({"a":"s\u0000"})"), "s\\x00 is not a plain file name"},
      {map(R"({"a":"t.safetensors"})"), "t.safetensors: No such file"},
      {map(R"({"b":"s.safetensors"})"), "b does not stand in s.safetensors"},
      {map(R"({"a":"s.safetensors","b":"s.safetensors"})"), "b does not stand in s.safetensors"},
      {map(R"({"a":"s.safetensors","a":"s.safetensors"})"), "has the key a twice"}};
  for (const auto& [index, says] : lies) {
    const std::string why = failure_with_index(index);
    EXPECT_NE(why.find(says), std::string::npos) << why << "\nwanted: " << says;
    EXPECT_EQ(why.find('\n'), std::string::npos) << why;
  }
  std::string many = R"("a0":"0")";
  for (int i = 1; i <= 1000; ++i) many += fmt::format(R"(,"a{0}":"{0}")", i);
  EXPECT_NE(failure_with_index(map("{" + many + "}")).find("names 1001 files; at most 1000"),
            std::string::npos);
}

}  // namespace
}  // namespace r1
