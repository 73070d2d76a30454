#include "tools/common/targets.h"

#include <gtest/gtest.h>

#include "lib/base/bytes.h"
#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

TEST(Targets, NoNameLeadsOutOfTheFolder) {
  const std::string here = fs::current_path().relative_path().string();
  const std::pair<std::string, std::string> names[] = {
      {"a.txt", "a.txt"},    {"./a", "a"},
      {"a/./b//c", "a/b/c"}, {"/etc/passwd", "etc/passwd"},
      {"//x", "x"},          {"a/../b", here + "/b"},
      {"/../../x", "x"},     {"a/../../../../../../../../../../../../x", "x"},
      {"-rf", "-rf"},        {"new\nline", "new\nline"},
      {"\xFF", "\xFF"}};
  for (const auto& [name, want] : names) {
    const fs::path below = rerooted(name);
    EXPECT_EQ(below.string(), want) << name;
    EXPECT_TRUE(below.is_relative()) << name;
    for (const fs::path& part : below) EXPECT_NE(part.string(), "..") << name;
  }
}

TEST(Targets, TheEndingReplacesTheOneThatIsThere) {
  Targets beside({.sidecars = true});
  EXPECT_EQ(beside.claim("d/photo.jpg").string(), "d/photo.txt");
  EXPECT_EQ(beside.claim("d/none").string(), "d/none.txt");
  EXPECT_EQ(beside.claim("d/.bashrc").string(), "d/.bashrc.txt");
  EXPECT_EQ(beside.claim("d/a.tar.gz").string(), "d/a.tar.txt");
  Targets below({.folder = "out", .ending = "md"});
  EXPECT_EQ(below.claim("d/photo.jpg").string(), "out/d/photo.md");
}

TEST(Targets, TheSecondInputWithOneTargetIsRefused) {
  Targets targets({.folder = "out"});
  targets.claim("a.png");
  EXPECT_FAILS(ErrorKind::usage, "out/a.txt is where another result goes", targets.claim("a.jpg"));
  EXPECT_FAILS(ErrorKind::usage, "another result", targets.claim("./a.png"));
  EXPECT_FAILS(ErrorKind::usage, "no name", targets.claim(""));
  targets.claim("b.png");
}

TEST(Targets, WhatIsReservedIsForItsInputAlone) {
  Targets targets({.folder = "out"});
  targets.reserve("a.png");
  EXPECT_FAILS(ErrorKind::usage, "another result", targets.claim("a.jpg"));
  EXPECT_EQ(targets.claim("a.png"), "out/a.txt");
}

TEST(Targets, AnInputIsNeverItsOwnTarget) {
  const test::TempDir dir;
  test::write_bytes(dir / "a.txt", "text");
  fs::create_symlink(dir / "a.txt", dir / "b.py");
  fs::create_hard_link(dir / "a.txt", dir / "b.txt");
  Targets targets({.sidecars = true, .if_exists = "overwrite"});
  EXPECT_FAILS(ErrorKind::usage, "its own", targets.claim((dir / "a.txt").string()));
  EXPECT_FAILS(ErrorKind::usage, "its own", targets.claim((dir / "b.py").string()));
}

TEST(Targets, NothingThatIsReadIsReplaced) {
  const test::TempDir dir;
  test::write_bytes(dir / "a.md", "read");
  fs::create_hard_link(dir / "a.md", dir / "b.txt");
  Targets targets({.sidecars = true, .if_exists = "overwrite"});
  targets.keep((dir / "a.md").string());
  EXPECT_FAILS(ErrorKind::usage, "is read", targets.claim((dir / "b.py").string()));
  Targets skips({.sidecars = true});
  skips.keep((dir / "a.md").string());
  EXPECT_TRUE(skips.skips(skips.claim((dir / "b.py").string())));
}

TEST(Targets, OnlyResultsThatDoNotGiveWayMayReplace) {
  for (const std::string how : {"overwrite", "append", "prepend"}) {
    EXPECT_TRUE(Targets({.sidecars = true, .if_exists = how}).may_replace()) << how;
    EXPECT_FALSE(Targets({.if_exists = how}).may_replace()) << how;
  }
  for (const std::string how : {"skip", "error"}) {
    EXPECT_FALSE(Targets({.folder = "out", .if_exists = how}).may_replace()) << how;
  }
}

TEST(Targets, AFolderWithTwoNamesIsOne) {
  const test::TempDir dir;
  fs::create_directory(dir / "d");
  fs::create_directory_symlink(dir / "d", dir / "l");
  Targets targets({.sidecars = true});
  targets.claim((dir / "d/a.py").string());
  EXPECT_FAILS(ErrorKind::usage, "another result", targets.claim((dir / "l/a.md").string()));
}

TEST(Targets, LinksBelowTheFolderAreNotEntered) {
  const test::TempDir dir;
  fs::create_directories(dir / "out");
  fs::create_directories(dir / "elsewhere");
  fs::create_directory_symlink(dir / "elsewhere", dir / "out/link");
  Targets targets({.folder = (dir / "out").string()});
  const fs::path target = targets.claim("link/a");
  EXPECT_FAILS(ErrorKind::write, "link", targets.write(target, "x"));
  EXPECT_TRUE(fs::is_empty(dir / "elsewhere"));
  targets.write(targets.claim("deep/er/b"), "y");
  EXPECT_EQ(read_file(dir / "out/deep/er/b.txt"), "y");
}

TEST(Targets, TextsAreJoinedByOneNewline) {
  const test::TempDir dir;
  for (const std::string old : {"old", "old\n"}) {
    test::write_bytes(dir / "a.txt", old);
    Targets append({.sidecars = true, .if_exists = "append"});
    append.write(append.claim((dir / "a.py").string()), "new");
    EXPECT_EQ(read_file(dir / "a.txt"), "old\nnew");
    Targets prepend({.sidecars = true, .if_exists = "prepend"});
    prepend.write(prepend.claim((dir / "a.py").string()), "first");
    EXPECT_EQ(read_file(dir / "a.txt"), "first\nold\nnew");
  }
}

}  // namespace
}  // namespace r1
