#include "lib/io/output_folder.h"

#include <cerrno>

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"

// Stands before that of the C library: a file system may know no flags.
static bool knows_flags = true;
extern "C" int renameat2(int from_folder, const char* from, int to_folder, const char* to,
                         unsigned flags) noexcept {
  if (knows_flags || flags == 0)
    return static_cast<int>(::syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
  errno = EINVAL;
  return -1;
}

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

// What came there meanwhile is somebody's, and what was written is not lost.
TEST(OutputFolder, ReplacesNothingThatCameLater) {
  for (const bool replace : {false, true}) {
    const test::TempDir dir;
    {
      OutputFolder folder(dir / "out", replace);
      test::write_bytes(folder.partial() / "a", "1");
      test::write_bytes(dir / "out/thesis.txt", "mine");
      EXPECT_FAILS(Kind::usage, replace ? "holds no model" : "exists", folder.close());
    }
    EXPECT_EQ(test::read_bytes(dir / "out/thesis.txt"), "mine");
    EXPECT_EQ(test::read_bytes(dir / "out.partial/a"), "1");
  }
}

TEST(OutputFolder, ReplacesAModelWhenToldTo) {
  const test::TempDir dir;
  test::write_bytes(dir / "out/config.json", "old");
  test::write_bytes(dir / "out/b.safetensors", "old");
  fs::permissions(dir / "out", fs::perms::owner_all);
  EXPECT_FAILS(Kind::usage, "out exists; -f replaces it", OutputFolder(dir / "out", false));
  EXPECT_FAILS(Kind::usage, "out exists; -f replaces it",
               OutputFolder::check(dir / "out", false, true, {}));
  {
    OutputFolder::check(dir / "out", true, false, {});
    EXPECT_FALSE(fs::exists(dir / "out.partial"));
    OutputFolder folder(dir / "out", true);
    test::write_bytes(folder.partial() / "a", "1");
    EXPECT_EQ(test::read_bytes(dir / "out/b.safetensors"), "old");
    folder.close();
  }
  EXPECT_TRUE(fs::exists(dir / "out/a"));
  EXPECT_FALSE(fs::exists(dir / "out/b.safetensors"));
  EXPECT_EQ(fs::status(dir / "out").permissions(), fs::perms::owner_all);
  EXPECT_FALSE(fs::exists(dir / "out.partial"));
}

TEST(OutputFolder, AppearsWhereTheFileSystemKnowsNoFlags) {
  const test::TempDir dir;
  knows_flags = false;
  for (const std::string text : {"1", "2"}) {
    OutputFolder folder(dir / "out", true);
    test::write_bytes(folder.partial() / "config.json", text);
    folder.close();
    EXPECT_EQ(test::read_bytes(dir / "out/config.json"), text);
  }
  knows_flags = true;
  EXPECT_FALSE(fs::exists(dir / "out.partial"));
  EXPECT_FALSE(fs::exists(dir / "out.partial.old"));
}

TEST(OutputFolder, KnowsFilesOfModels) {
  const test::TempDir dir;
  const auto replace = [&] { OutputFolder(dir / "out", true, false, {"golden.json"}).close(); };
  for (const char* name : {"model-00001-of-00002.safetensors",
                           "model.safetensors.index.json",
                           "pytorch_model.bin",
                           "generation_config.json",
                           "tokenizer.json",
                           "tokenizer.model",
                           "tokenizer_config.json",
                           "chat_template.jinja",
                           "merges.txt",
                           "vocab.json",
                           "special_tokens_map.json",
                           "README.md",
                           "LICENSE",
                           "License.txt",
                           ".gitattributes",
                           "modeling_own.py",
                           "a.safetensors.partial",
                           ".r1-abcdef.tmp",
                           "r1.sums",
                           "golden.json"}) {
    test::write_bytes(dir / "out/config.json", "{}");
    test::write_bytes(dir / "out" / name, "old");
    EXPECT_NO_THROW(replace()) << name;
    EXPECT_FALSE(fs::exists(dir / "out" / name));
  }
  for (const char* name : {"thesis.txt", "notes.json", "thesis.partial", "data.bin", "own.py"}) {
    test::write_bytes(dir / "out/config.json", "{}");
    test::write_bytes(dir / "out/zzz", "mine");
    test::write_bytes(dir / "out" / name, "mine");
    EXPECT_FAILS(Kind::usage, std::string("out holds ") + name + ", which is no file of a model",
                 replace());
    EXPECT_EQ(test::read_bytes(dir / "out" / name), "mine");
    fs::remove(dir / "out" / name);
  }
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
    test::write_bytes(folder.partial() / "a.safetensors", "half");
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
    EXPECT_EQ(test::read_bytes(folder.partial() / "a.safetensors"), "half");
    folder.close();
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(dir / "out"), {}), 1);  // no recipe
  EXPECT_FALSE(fs::exists(dir / "out.partial"));
  test::write_bytes(dir / "new.partial/config.json", "{}");
  OutputFolder folder(dir / "new", false, true);
  EXPECT_FALSE(folder.begin("flour"));  // who knows what it was
}

TEST(OutputFolder, IsWrittenByOneRunAtATime) {
  const test::TempDir dir;
  {
    OutputFolder folder(dir / "out", false);
    EXPECT_TRUE(folder.begin("flour"));
    test::write_bytes(folder.partial() / "config.json", "half");
    for (const bool replace : {false, true})
      for (const bool resume : {false, true})
        EXPECT_FAILS(Kind::usage, "out is written by another run",
                     OutputFolder(dir / "out", replace, resume));
    EXPECT_EQ(test::read_bytes(folder.partial() / "config.json"), "half");
    folder.close();
    EXPECT_FAILS(Kind::usage, "out is written by another run", OutputFolder(dir / "out", true));
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 1);
  OutputFolder(dir / "out", true).close();
}

TEST(OutputFolder, WantsAFolderToStandIn) {
  const test::TempDir dir;
  EXPECT_FAILS(Kind::write, "nowhere/out.partial", OutputFolder(dir / "nowhere/out", false));
}

}  // namespace
}  // namespace r1
