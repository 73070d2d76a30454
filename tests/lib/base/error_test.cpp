#include "lib/base/error.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(Error, ExitStatusesAreThoseOfTheManual) {
  EXPECT_EQ(exit_status(ErrorKind::usage), 2);
  EXPECT_EQ(exit_status(ErrorKind::model), 3);
  EXPECT_EQ(exit_status(ErrorKind::internal), 3);
  EXPECT_EQ(exit_status(ErrorKind::write), 4);
}

TEST(Error, NamesInMessagesCannotDriveATerminal) {
  EXPECT_EQ(escaped("a\nb\tc\\d"), "a\\nb\\tc\\\\d");
  EXPECT_EQ(escaped("\x1b[31m"), "\\x1b[31m");
  EXPECT_EQ(escaped("\xff"), "\\xff");
  EXPECT_EQ(escaped("a\u202e"
                    "b"),
            "a\\u202eb");
  EXPECT_EQ(escaped("größe"), "größe");
}

TEST(Error, LongNamesAreCut) {
  const std::string name = escaped(std::string(5000, 'x'));
  EXPECT_LT(name.size(), 210u);
  EXPECT_TRUE(name.ends_with("…"));
}

TEST(Error, FailCarriesKindAndText) {
  try {
    fail(ErrorKind::model, "{} is {}", "head", 3);
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::model);
    EXPECT_STREQ(e.what(), "head is 3");
    EXPECT_EQ(code(e.kind()), "E_MODEL");
  }
}

}  // namespace
}  // namespace r1
