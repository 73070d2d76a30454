#include "lib/base/output_folder.h"

#include <gtest/gtest.h>

#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;
using Kind = ErrorKind;

TEST(OutputFolder, AppearsAtItsCloseAndNotBefore) {
  const test::TempDir dir;
  {
    OutputFolder folder((dir / "out").string() + "/", false);
    test::write_bytes(folder.partial() / "a", "1");
    EXPECT_FALSE(fs::exists(dir / "out"));
    folder.close();
  }
  EXPECT_EQ(test::read_bytes(dir / "out/a"), "1");
  EXPECT_FALSE(fs::exists(dir / "out.partial"));
}

TEST(OutputFolder, LeavesNothingWithoutItsClose) {
  const test::TempDir dir;
  {
    OutputFolder folder(dir / "out", false);
    test::write_bytes(folder.partial() / "a", "1");
  }
  EXPECT_TRUE(fs::is_empty(dir.path()));
}

TEST(OutputFolder, ReplacesAModelWhenToldTo) {
  const test::TempDir dir;
  test::write_bytes(dir / "out/config.json", "old");
  test::write_bytes(dir / "out/b", "old");
  EXPECT_FAILS(Kind::usage, "out exists; -f replaces it", OutputFolder(dir / "out", false));
  {
    OutputFolder folder(dir / "out", true);
    test::write_bytes(folder.partial() / "a", "1");
    EXPECT_EQ(test::read_bytes(dir / "out/b"), "old");
    folder.close();
  }
  EXPECT_TRUE(fs::exists(dir / "out/a"));
  EXPECT_FALSE(fs::exists(dir / "out/b"));
  EXPECT_FALSE(fs::exists(dir / "out.partial"));
}

TEST(OutputFolder, ReplacesNothingElse) {
  const test::TempDir dir;
  test::write_bytes(dir / "home/notes", "mine");
  EXPECT_FAILS(Kind::usage, "holds no model", OutputFolder(dir / "home", true));
  test::write_bytes(dir / "deep/config.json", "{}");
  test::write_bytes(dir / "deep/more/notes", "mine");
  EXPECT_FAILS(Kind::usage, "holds folders", OutputFolder(dir / "deep", true));
  test::write_bytes(dir / "file", "mine");
  EXPECT_FAILS(Kind::usage, "is no folder", OutputFolder(dir / "file", true));
  test::write_bytes(dir / "new.partial/notes", "mine");
  EXPECT_FAILS(Kind::usage, "exists; --resume goes on with it", OutputFolder(dir / "new", false));
  EXPECT_FAILS(Kind::usage, "holds no model", OutputFolder(dir / "new", false, true));
  EXPECT_FAILS(Kind::usage, "holds no model", OutputFolder(dir / "new", true));
  fs::create_directory_symlink(dir / "deep", dir / "link");
  EXPECT_FAILS(Kind::usage, "is no folder", OutputFolder(dir / "link", true));
  for (const char* kept : {"home/notes", "deep/more/notes", "file", "new.partial/notes"})
    EXPECT_EQ(test::read_bytes(dir / kept), "mine") << kept;
}

TEST(OutputFolder, IsGoneOnWithByTheSameRecipeAlone) {
  const test::TempDir dir;
  {
    OutputFolder folder(dir / "out", false);
    EXPECT_TRUE(folder.begin("flour"));
    test::write_bytes(folder.partial() / "a", "half");
    folder.keep();
  }
  EXPECT_FAILS(Kind::usage, "--resume goes on with it", OutputFolder(dir / "out", false));
  {
    OutputFolder folder(dir / "out", false, true);
    EXPECT_FALSE(folder.begin("rice"));
    folder.keep();
  }
  {
    OutputFolder folder(dir / "out", false, true);
    EXPECT_TRUE(folder.begin("flour"));
    EXPECT_EQ(test::read_bytes(folder.partial() / "a"), "half");
    folder.close();
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(dir / "out"), {}), 1);  // no recipe
  EXPECT_FALSE(fs::exists(dir / "out.partial"));
  test::write_bytes(dir / "new.partial/config.json", "{}");
  OutputFolder folder(dir / "new", false, true);
  EXPECT_FALSE(folder.begin("flour"));  // who knows what it was
}

TEST(OutputFolder, WantsAFolderToStandIn) {
  const test::TempDir dir;
  EXPECT_FAILS(Kind::write, "nowhere/out.partial", OutputFolder(dir / "nowhere/out", false));
}

}  // namespace
}  // namespace r1
