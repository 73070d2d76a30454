#include "lib/base/paths.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;
using test::TempDir;

TEST(IsSamePlace, WhateverNameLeadsToAFile) {
  const TempDir dir;
  test::write_bytes(dir / "file", "");
  test::write_bytes(dir / "other", "");
  fs::create_symlink("file", dir / "link");
  fs::create_hard_link(dir / "file", dir / "hard");
  for (const char* name : {"file", "./file", "link", "hard"})
    EXPECT_TRUE(is_same_place(dir / name, dir / "file")) << name;
  EXPECT_FALSE(is_same_place(dir / "other", dir / "file"));
  EXPECT_FALSE(is_same_place("", dir / "file"));
}

TEST(IsSamePlace, WhatIsNotThereHasAPlace) {
  const TempDir dir;
  fs::create_symlink(".", dir / "here");
  for (const char* name : {"new/file", "./new/file", "here/new/file", "new/file/"})
    EXPECT_TRUE(is_same_place(dir / name, dir / "new/file")) << name;
  for (const char* name : {"file", "new", "old/file", "new/other"})
    EXPECT_FALSE(is_same_place(dir / name, dir / "new/file")) << name;
  EXPECT_TRUE(is_same_place("no such file", "./no such file"));
}

}  // namespace
}  // namespace r1
