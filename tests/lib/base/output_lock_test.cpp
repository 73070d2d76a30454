#include "lib/base/output_lock.h"

#include <gtest/gtest.h>

#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;
using Kind = ErrorKind;
using Make = OutputLock::Make;

TEST(OutputLock, IsHadByOne) {
  const test::TempDir dir;
  for (const Make make : {Make::file, Make::folder}) {
    OutputLock first, second;
    EXPECT_TRUE(first.take_partial(dir / "out", make));
    EXPECT_FAILS(Kind::usage, "out is written by another run", second.take_partial(dir / "out"));
    first.release();
    EXPECT_FALSE(second.take_partial(dir / "out"));
    EXPECT_TRUE(second.take_partial(dir / "out", make));
  }
}

TEST(OutputLock, GoesWithWhatGetsAnotherName) {
  const test::TempDir dir;
  OutputLock first, second;
  EXPECT_TRUE(first.take_partial(dir / "out", Make::file));
  fs::rename(dir / "out.partial", dir / "out");
  EXPECT_FAILS(Kind::usage, "out is written by another run",
               second.take_partial(dir / "out", Make::file));
  second.release();
  EXPECT_FALSE(fs::exists(dir / "out.partial"));  // what the second made
  first.release();
  EXPECT_TRUE(fs::exists(dir / "out"));
  EXPECT_TRUE(second.take_partial(dir / "out", Make::file));
}

TEST(OutputLock, LeavesNothingThatIsEmpty) {
  const test::TempDir dir;
  for (const Make make : {Make::file, Make::folder}) {
    OutputLock().take_partial(dir / "out", make);
    EXPECT_TRUE(fs::is_empty(dir.path()));
  }
  test::write_bytes(dir / "out.partial", "half");
  OutputLock().take_partial(dir / "out", Make::file);
  EXPECT_EQ(test::read_bytes(dir / "out.partial"), "half");
  test::write_bytes(dir / "out.partial", "");
  OutputLock().take_partial(dir / "out");
  EXPECT_TRUE(fs::exists(dir / "out.partial"));  // it was there
}

TEST(OutputLock, MakesNothingWhereItCannot) {
  const test::TempDir dir;
  EXPECT_FALSE(OutputLock().take(dir / "out"));
  for (const Make make : {Make::nothing, Make::file, Make::folder})
    EXPECT_FALSE(OutputLock().take_partial(dir / "nowhere/out", make));
}

TEST(OutputLock, FollowsNoLinkFromAPartial) {
  const test::TempDir dir;
  fs::create_symlink("victim", dir / "out.partial");
  for (const Make make : {Make::nothing, Make::file, Make::folder})
    EXPECT_FAILS(Kind::usage, "out.partial is a link",
                 OutputLock().take_partial(dir / "out", make));
  EXPECT_FALSE(fs::exists(dir / "victim"));
  fs::create_directory(dir / "folder");
  fs::create_directory_symlink("folder", dir / "link");
  EXPECT_TRUE(OutputLock().take(dir / "link"));  // of the user's own
}

}  // namespace
}  // namespace r1
