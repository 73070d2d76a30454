#include "tools/complete/choice.h"

#include <gtest/gtest.h>

#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

CompleteSettings over_files() {
  CompleteSettings s;
  s.sidecar = s.force = true;
  return s;
}

ItemSource item_of(const std::filesystem::path& path) {
  ItemSource item;
  item.path = path.string();
  return item;
}

TEST(Choice, NoResultReplacesAFileOfTheModelOrTheAdapter) {
  const test::TempDir dir;
  std::filesystem::create_directory(dir / "adapter");
  for (const std::string name : {"adapter/rows.txt", "model.txt", "free.txt"})
    test::write_bytes(dir / name, "old");
  CompleteSettings s = over_files();
  s.read = {(dir / "adapter").string()};
  Choice choice(s, "recipe", dir / "model.txt");
  for (const std::string name : {"adapter/rows.py", "model.py"}) {
    ItemSource item = item_of(dir / name);
    EXPECT_FAILS(ErrorKind::usage, "is read", choice.judge_name(item, name));
  }
  ItemSource item = item_of(dir / "free.py");
  EXPECT_EQ(choice.judge_name(item, "free.py"), Choice::Verdict::run);
}

TEST(Choice, RecordsThatAreReplacedAreNoInput) {
  const test::TempDir dir;
  test::write_bytes(dir / "a", "text");
  test::write_bytes(dir / "b.partial", "text");
  CompleteSettings s;
  s.json = s.force = true;
  for (const std::string name : {"a", "b"}) {
    s.output = (dir / name).string();
    EXPECT_TRUE(Choice(s, "recipe", "model").may_replace()) << name;
  }
  Choice choice(s, "recipe", "model");
  choice.keep((dir / "a").string());
  EXPECT_FAILS(ErrorKind::usage, "is read", choice.keep((dir / "b.partial").string()));
  s.output = (dir / "new").string();
  EXPECT_FALSE(Choice(s, "recipe", "model").may_replace());
}

}  // namespace
}  // namespace r1
