#include "tools/common/progress.h"

#include <gtest/gtest.h>

#include "lib/base/bytes.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

using namespace std::chrono_literals;

// What two draws of a line write on standard error, which is no terminal.
std::string said(const Ui& ui, ProgressLine::Clock::duration between, bool wanted = true) {
  testing::internal::CaptureStderr();
  {
    ProgressLine line(ui, "r1-test", wanted, between);
    line.draw([] { return std::string("step 1"); });
    line.draw([] { return std::string("step 2"); });
  }
  return testing::internal::GetCapturedStderr();
}

TEST(ProgressLine, IsAPlainMessageNowAndThenWithoutATerminal) {
  Ui ui;
  ui.says_progress = true;
  ui.verbosity = 1;
  EXPECT_EQ(said(ui, 0s), "r1-test: step 1\nr1-test: step 2\n");
  EXPECT_EQ(said(ui, 1h), "");
  EXPECT_EQ(said(ui, 0s, false), "");
  ui.says_progress = false;  // --no-progress
  EXPECT_EQ(said(ui, 0s), "");
}

TEST(ProgressLine, IsInTheLogThoughNothingIsSaid) {
  const test::TempDir dir;
  Ui ui;
  ui.says_progress = true;
  ui.log_to((dir / "log").string());
  EXPECT_EQ(said(ui, 0s), "");
  EXPECT_NE(read_file(dir / "log").find("]: step 2\n"), std::string::npos);
}

TEST(ProgressLine, SaysTheTimeThatIsLeft) {
  Ui ui;
  ui.says_progress = true;
  ui.verbosity = 1;
  testing::internal::CaptureStderr();
  ProgressLine line(ui, "r1-test", true, 0s);
  line.draw(0, 10, "steps");  // nothing is known yet
  line.draw(5, 10, "steps");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(text.starts_with("r1-test: 5 steps done, ")) << text;
  EXPECT_TRUE(text.ends_with(" left\n")) << text;
}

}  // namespace
}  // namespace r1
