#include "tools/finetune/data_files.h"

#include <gtest/gtest.h>

#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

using Names = std::vector<std::string>;

class DataFilesTest : public testing::Test {
 protected:
  void write(const char* name, std::string_view bytes) { test::write_bytes(dir_ / name, bytes); }
  std::string path(const char* name) const { return (dir_ / name).string(); }

  test::TempDir dir_;
};

TEST_F(DataFilesTest, AFolderStandsForItsTextsAndSamplesInTheOrderOfTheirNames) {
  for (const char* name : {"src/b.py", "src/a/z.txt", "src/a/y.JSONL", "src/c.ndjson"})
    write(name, "x\n");
  const DataFiles found = data_files({path("src")});
  EXPECT_EQ(found.names, (Names{path("src/a/y.JSONL"), path("src/a/z.txt"), path("src/b.py"),
                                path("src/c.ndjson")}));
  EXPECT_EQ(found.left_out, 0);
}

TEST_F(DataFilesTest, WhatIsNoTextIsCountedAndWhatNobodyMeansIsNot) {
  for (const char* name : {"src/a.py", "src/.git/config", "src/.hidden", "src/package.json",
                           "src/run/run.json", "src/run/records.jsonl"})
    write(name, "x\n");
  write("src/empty.py", "");
  write("src/image.png", {"\x89PNG\0", 5});
  write("src/latin.txt", "caf\xe9\n");
  std::filesystem::create_directory_symlink(".", dir_ / "src/loop");
  const DataFiles found = data_files({path("src")});
  EXPECT_EQ(found.names, Names{path("src/a.py")});
  EXPECT_EQ(found.left_out, 3);
}

TEST_F(DataFilesTest, FilesAreWhatIsNamed) {
  write("a.json", "{}");
  EXPECT_EQ(data_files({path("a.json"), path("none"), path("a.json")}).names,
            (Names{path("a.json"), path("none"), path("a.json")}));
}

TEST_F(DataFilesTest, AFolderWithNothingToLearnIsAMistake) {
  write("src/a.json", "{}");
  EXPECT_FAILS(ErrorKind::usage, path("src") + " has no text in it", data_files({path("src")}));
}

}  // namespace
}  // namespace r1
