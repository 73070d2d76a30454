// Blocks of GGUF that become others as they are read, beside what the gguf package says of them
// (scripts/reference/converted_types.py).
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/io/weights.h"
#include "lib/tensor/quant_block.h"
#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;
const fs::path kFile = fs::path(R1_SOURCE_DIR) / "tests/fuzz/corpus/gguf/converted_types.gguf";

std::vector<float> numbers(const ModelFiles& files, const std::string& name) {
  const Tensor* t = files.find(name);
  if (t == nullptr) return {};
  files.fetch(*t);
  std::vector<float> values(static_cast<std::size_t>(t->shape.elements()));
  unpack(values, t->data, t->dtype);
  files.release(*t);
  return values;
}

TEST(ConvertedType, HasTheNumbersOfItsBlocks) {
  const ModelFiles files = ModelFiles::open(kFile);
  const std::map<std::string, DType> types = {{"Q4_1", DType::f16},
                                              {"Q5_0", DType::q8_0},
                                              {"Q5_1", DType::f16},
                                              {"Q2_K", DType::f16},
                                              {"Q3_K", DType::q6_k}};
  for (const auto& [name, type] : types) {
    SCOPED_TRACE(name);
    const Tensor* t = files.find(name);
    ASSERT_NE(t, nullptr);
    EXPECT_EQ(t->dtype, type);
    EXPECT_TRUE(files.was_quantized(*t));
    const std::vector<float> got = numbers(files, name), want = numbers(files, name + ".numbers");
    ASSERT_EQ(got.size(), want.size());
    const auto stored = [is_half = type == DType::f16](float value) {
      return is_half ? f16_to_f32(f32_to_f16(value)) : value;
    };
    for (std::size_t i = 0; i < want.size(); ++i) ASSERT_EQ(got[i], stored(want[i])) << i;
    EXPECT_EQ(numbers(files, name), got) << "fetched again";
  }
}

// Who does not make their numbers does not pass them over.
TEST(ConvertedType, IsRefusedWhereNobodyConverts) {
  const MappedFile file(kFile);
  EXPECT_FAILS(ErrorKind::format, "Q4_1 has the type number 3, which is not read",
               GgufFile::parse(file.bytes(), "m.gguf"));
}

TEST(ConvertedType, CountsInTheDigest) {
  std::string bytes = test::read_bytes(kFile);
  const test::TempDir dir;
  const auto digest = [&] {
    test::write_bytes(dir / "m.gguf", bytes);
    return ModelFiles::open(dir / "m.gguf").digest();
  };
  const ModelFiles files = ModelFiles::open(kFile);
  const std::string before = digest();
  EXPECT_EQ(before, files.digest());
  bytes[files.gguf().header_bytes()] ^= 1;  // in the first block of Q4_1
  EXPECT_NE(digest(), before);
}

}  // namespace
}  // namespace r1
