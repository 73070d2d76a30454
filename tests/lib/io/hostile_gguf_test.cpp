// GGUF files that lie, one part at a time: each is one line that says what and where, and costs no
// memory.
#include <chrono>

#include <gtest/gtest.h>

#include "lib/io/gguf.h"
#include "tests/support/fails.h"
#include "tests/support/raw_bytes.h"

namespace r1 {
namespace {

using test::gguf_pair;
using test::gguf_tensor;
using test::RawGguf;
using test::str;
using test::u32;
using test::u64;
using Kind = ErrorKind;

enum Type : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32_type,
  i32,
  f32,
  boolean,
  string,
  array,
  u64_type
};
constexpr std::uint64_t kHuge = UINT64_MAX;

// Two keys, and two tensors of 16 and 32 bytes.
RawGguf honest() {
  return {.pairs = {gguf_pair("general.architecture", string, str("llama")),
                    gguf_pair("a.list", array, u32(i32) + u64(2) + u32(1) + u32(2))},
          .tensors = {gguf_tensor("w", {2, 2}, 0, 0), gguf_tensor("v", {8}, 0, 32)},
          .data = std::string(64, '\1').replace(16, 16, 16, '\0')};
}

struct Lie {
  std::string bytes;
  Kind kind;
  std::string says;
};

RawGguf with_pair(const std::string& pair) {
  RawGguf file = honest();
  file.pairs.push_back(pair);
  return file;
}
RawGguf with_tensor(const std::string& tensor) {  // in place of the second
  RawGguf file = honest();
  file.tensors[1] = tensor;
  return file;
}
RawGguf with_data(std::size_t bytes, char filler) {
  RawGguf file = honest();
  file.data.resize(bytes, filler);
  return file;
}
RawGguf with_start(const std::string& start) {
  RawGguf file = honest();
  file.start = start;
  return file;
}
RawGguf with_counts(std::uint64_t tensors, std::uint64_t pairs) {
  RawGguf file = honest();
  file.counts = u64(tensors) + u64(pairs);
  return file;
}

std::string list_of(std::uint32_t type, std::uint64_t count, const std::string& values = "") {
  return gguf_pair("a.lie", array, u32(type) + u64(count) + values);
}

void expect_refused(const std::vector<Lie>& lies) {
  const std::size_t before = test::peak_memory();
  for (const Lie& lie : lies) {
    const auto began = std::chrono::steady_clock::now();
    const std::string why = test::failure(
        [&] { GgufFile::parse(as_bytes(lie.bytes), "m.gguf", GgufFile::Types::converted_too); });
    EXPECT_TRUE(why.starts_with(std::string(code(lie.kind)) + ": ")) << why << ": " << lie.says;
    EXPECT_NE(why.find(lie.says), std::string::npos) << why << "\nwanted: " << lie.says;
    EXPECT_NE(why.find("m.gguf"), std::string::npos) << why;
    EXPECT_EQ(why.find('\n'), std::string::npos) << why;
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1)) << why;
  }
  EXPECT_LT(test::peak_memory() - before, test::kFewBytes);
}

TEST(HostileGgufFile, TheHonestOneIsRead) {
  const std::string bytes = honest().bytes();
  EXPECT_EQ(GgufFile::parse(as_bytes(bytes), "m.gguf").tensors().size(), 2u);
}

TEST(HostileGgufFile, ItsStartAndItsCountsAreChecked) {
  const std::string whole = honest().bytes();
  expect_refused(
      {{"", Kind::truncated, "is empty"},
       {"GGU", Kind::truncated, "wants 4 bytes at 0, and has 3"},
       {with_start("GGML" + u32(3)).bytes(), Kind::format, "is not a GGUF file"},
       {with_start("tjgg" + u32(3)).bytes(), Kind::format, "is not a GGUF file"},
       {with_start("GGUF" + u32(0)).bytes(), Kind::format, "is GGUF version 0; version 3"},
       {with_start("GGUF" + u32(1)).bytes(), Kind::format, "is GGUF version 1; version 3"},
       {with_start("GGUF" + u32(2)).bytes(), Kind::format, "is GGUF version 2; version 3"},
       {with_start("GGUF" + u32(4)).bytes(), Kind::format, "is GGUF version 4; version 3"},
       {with_start("GGUF" + u32(3u << 24)).bytes(), Kind::format, "is big-endian"},
       {whole.substr(0, 6), Kind::truncated, "wants 4 bytes at 4"},
       {whole.substr(0, 20), Kind::truncated, "wants 8 bytes at 16"},
       {with_counts(kHuge, 2).bytes(), Kind::limit, "has 18446744073709551615 tensors; at most"},
       {with_counts(262'145, 2).bytes(), Kind::limit, "262145 tensors; at most 262144"},
       {with_counts(1000, 2).bytes(), Kind::truncated, "says it has 1000 tensors, more than"},
       {with_counts(2, kHuge).bytes(), Kind::limit, "18446744073709551615 keys; at most 65536"},
       {with_counts(2, 65'537).bytes(), Kind::limit, "65537 keys; at most 65536"},
       {with_counts(2, 1000).bytes(), Kind::truncated, "says it has 1000 keys, more than"},
       {with_counts(2, 3).bytes(), Kind::limit, "a tensor name of"},
       {with_counts(3, 2).bytes(), Kind::decode, "has a tensor without a name"}});
}

TEST(HostileGgufFile, AKeyIsShortAndThereOnceAndItsValueIsOfItsType) {
  const std::string n = u32(1);
  expect_refused(
      {{with_pair(gguf_pair("", u32_type, n)).bytes(), Kind::decode, "an empty key"},
       {with_pair(gguf_pair(std::string(65'536, 'k'), u32_type, n)).bytes(), Kind::limit,
        "a key of 65536 bytes; at most 65535"},
       {with_pair(u64(kHuge) + "key" + u32(u32_type) + n).bytes(), Kind::limit,
        "a key of 18446744073709551615 bytes"},
       {with_pair(u64(60'000) + "key" + u32(u32_type) + n).bytes(), Kind::truncated,
        "wants 60000 bytes"},
       {with_pair(gguf_pair("a.list", u32_type, n)).bytes(), Kind::decode, "the key a.list twice"},
       {with_pair(gguf_pair("a\x1b[2J", 13, n)).bytes(), Kind::decode,
        "a\\x1b[2J has the unknown type 13"},
       {with_pair(gguf_pair("a.lie", kHuge & 0xFFFFFFFF, n)).bytes(), Kind::decode,
        "a.lie has the unknown type 4294967295"},
       {with_pair(gguf_pair("a.lie", boolean, "\2")).bytes(), Kind::decode,
        "a.lie is the boolean 2"},
       {with_pair(gguf_pair("a.lie", string, u64(kHuge) + "x")).bytes(), Kind::limit,
        "a string of 18446744073709551615 bytes; at most 67108864"},
       {with_pair(gguf_pair("a.lie", string, u64(1ull << 63) + "x")).bytes(), Kind::limit,
        "a string of 9223372036854775808 bytes"},
       {with_pair(gguf_pair("a.lie", string, u64((64u << 20) + 1) + "x")).bytes(), Kind::limit,
        "a string of 67108865 bytes"},
       {with_pair(gguf_pair("a.lie", string, u64(64u << 20) + "x")).bytes(), Kind::truncated,
        "wants 67108864 bytes"}});
}

TEST(HostileGgufFile, AListHasATypeAndNoMoreElementsThanBytes) {
  expect_refused(
      {{with_pair(list_of(array, 1)).bytes(), Kind::decode, "an array of the unknown type 9"},
       {with_pair(list_of(13, 1)).bytes(), Kind::decode, "a.lie is an array of the unknown type"},
       {with_pair(list_of(u8, kHuge)).bytes(), Kind::limit,
        "a.lie has 18446744073709551615 elements; at most 16777216"},
       {with_pair(list_of(i32, 16'777'217)).bytes(), Kind::limit, "a.lie has 16777217 elements"},
       {with_pair(list_of(u8, 16'777'216)).bytes(), Kind::truncated, "wants 16777216 bytes"},
       {with_pair(list_of(i16, 16'777'216)).bytes(), Kind::truncated, "wants 33554432 bytes"},
       {with_pair(list_of(i32, 16'777'216)).bytes(), Kind::truncated, "wants 67108864 bytes"},
       {with_pair(list_of(f32, 16'777'216)).bytes(), Kind::truncated, "wants 67108864 bytes"},
       {with_pair(list_of(12, 16'777'216)).bytes(), Kind::truncated, "wants 134217728 bytes"},
       {with_pair(list_of(boolean, 16'777'216)).bytes(), Kind::truncated, "16777216 booleans"},
       {with_pair(list_of(boolean, 2, "\1\7")).bytes(), Kind::decode, "a.lie is the boolean 7"},
       {with_pair(list_of(string, 16'777'216)).bytes(), Kind::truncated, "16777216 strings"},
       {with_pair(list_of(string, 2, str("a") + u64(kHuge))).bytes(), Kind::limit,
        "a string of 18446744073709551615 bytes"}});
}

TEST(HostileGgufFile, TheAlignmentIsAPowerOfTwoFrom8To4096) {
  for (const std::uint64_t n : {0ull, 1ull, 4ull, 7ull, 33ull, 8192ull, 0x80000000ull}) {
    const std::string pair = gguf_pair("general.alignment", u32_type, u32(n));
    expect_refused({{with_pair(pair).bytes(), Kind::decode, "no power of two from 8 to 4096"}});
  }
  expect_refused({{with_pair(gguf_pair("general.alignment", i32, u32(0xFFFFFFF8))).bytes(),
                   Kind::decode, "no power of two from 8 to 4096"},
                  {with_pair(gguf_pair("general.alignment", string, str("32"))).bytes(),
                   Kind::decode, "no power of two from 8 to 4096"},
                  {with_pair(gguf_pair("general.alignment", u64_type, u64(kHuge))).bytes(),
                   Kind::decode, "no power of two from 8 to 4096"}});
}

TEST(HostileGgufFile, ATensorHasANameAShapeAndAType) {
  expect_refused(
      {{with_tensor(gguf_tensor("", {8}, 0, 32)).bytes(), Kind::decode, "without a name"},
       {with_tensor(gguf_tensor(std::string(65, 'n'), {8}, 0, 32)).bytes(), Kind::limit,
        "a tensor name of 65 bytes; at most 64"},
       {with_tensor(gguf_tensor("w", {8}, 0, 32)).bytes(), Kind::decode, "the tensor w twice"},
       {with_tensor(gguf_tensor("v", {}, 0, 32)).bytes(), Kind::decode, "v has 0 dimensions"},
       {with_tensor(gguf_tensor("v", {1, 1, 1, 1, 8}, 0, 32)).bytes(), Kind::decode,
        "v has 5 dimensions"},
       {with_tensor(str("v") + u32(kHuge)).bytes(), Kind::decode, "v has 4294967295 dimensions"},
       {with_tensor(gguf_tensor("v", {8, 0}, 0, 32)).bytes(), Kind::decode,
        "v has a dimension of 0"},
       {with_tensor(gguf_tensor("v", {1ull << 63}, 0, 32)).bytes(), Kind::decode,
        "v has a dimension of 9223372036854775808"},
       {with_tensor(gguf_tensor("v", {1ull << 32, 1ull << 32}, 0, 32)).bytes(), Kind::decode,
        "v: 4294967296 times 4294967296 is too large"},
       {with_tensor(gguf_tensor("v", {1ull << 30, 1ull << 30}, 0, 32)).bytes(), Kind::decode,
        "v is too large"},
       {with_tensor(gguf_tensor("v", {1ull << 40}, 0, 32)).bytes(), Kind::truncated,
        "v ends at byte"},
       {with_tensor(gguf_tensor("v", {8}, 16, 32)).bytes(), Kind::format,
        "v has the type number 16, which is not read"},
       {with_tensor(gguf_tensor("v", {8}, 3, 32)).bytes(), Kind::decode,
        "v: rows of 8 do not divide into blocks of 32"},
       {with_tensor(gguf_tensor("v", {256, 1 << 20}, 10, 32)).bytes(), Kind::truncated,
        "v ends at byte"},
       {with_tensor(gguf_tensor("v", {8}, 1000, 32)).bytes(), Kind::format, "the type number 1000"},
       {with_tensor(gguf_tensor("v", {8}, 8, 32)).bytes(), Kind::decode,
        "v: rows of 8 do not divide into blocks of 32"},
       {with_tensor(gguf_tensor("v", {32}, 12, 32)).bytes(), Kind::decode,
        "v: rows of 32 do not divide into blocks of 256"}});
}

TEST(HostileGgufFile, TensorsLieOneBehindTheOtherAndNothingBehindThem) {
  RawGguf vocabulary = honest();
  vocabulary.tensors.clear();
  const std::string begins = "v begins at byte ";
  expect_refused(
      {{with_tensor(gguf_tensor("v", {8}, 0, 0)).bytes(), Kind::decode,
        begins + "0 of the data, not at 32"},
       {with_tensor(gguf_tensor("v", {8}, 0, 16)).bytes(), Kind::decode,
        begins + "16 of the data, not at 32"},
       {with_tensor(gguf_tensor("v", {8}, 0, 64)).bytes(), Kind::decode,
        begins + "64 of the data, not at 32"},
       {with_tensor(gguf_tensor("v", {8}, 0, kHuge)).bytes(), Kind::decode,
        begins + "18446744073709551615 of the data, not at 32"},
       {with_tensor(gguf_tensor("v", {9}, 0, 32)).bytes(), Kind::truncated,
        "v ends at byte 68 of the data, which has 64"},
       {with_data(63, '\1').bytes(), Kind::truncated,
        "v ends at byte 64 of the data, which has 63"},
       {with_data(1, '\1').bytes(), Kind::truncated, "w ends at byte 16 of the data, which has 1"},
       {with_data(0, '\1').bytes(), Kind::truncated, "ends before its data"},
       {with_data(96, '\0').bytes(), Kind::decode, "has 32 bytes behind its last tensor"},
       {with_data(65, 'x').bytes(), Kind::decode, "has 1 bytes behind its last tensor"},
       {vocabulary.bytes(), Kind::decode, "has 64 bytes behind its last tensor"}});
}

TEST(HostileGgufFile, IsRefusedAtEveryLength) {
  const std::string whole = honest().bytes();
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FAILS(Kind::truncated, "m.gguf",
                 GgufFile::parse(as_bytes(whole.substr(0, size)), "m.gguf"));
}

// A list of bytes is kept as bytes, not as numbers of eight bytes each.
TEST(HostileGgufFile, ListsTakeNoMoreMemoryThanTheFile) {
  RawGguf file = honest();
  for (int i = 0; i < 8; ++i)
    file.pairs.push_back(gguf_pair("b." + std::to_string(i), array,
                                   u32(u8) + u64(8u << 20) + std::string(8u << 20, 'b')));
  const std::string bytes = file.bytes();
  const std::size_t before = test::peak_memory();
  EXPECT_EQ(GgufFile::parse(as_bytes(bytes), "m.gguf").metadata().size(), 10u);
  EXPECT_LT(test::peak_memory() - before, std::size_t{8} << 20);
}

}  // namespace
}  // namespace r1
