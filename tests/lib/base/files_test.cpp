#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/output.h"
#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

using test::TempDir;

std::size_t count_entries(const TempDir& dir) {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator(dir.path())) ++n;
  return n;
}

TEST(MappedFile, MappedAndReadAreTheSameBytes) {
  const TempDir dir;
  test::write_bytes(dir / "f", "hello");
  for (const bool use_mmap : {true, false}) {
    const MappedFile file(dir / "f", use_mmap);
    EXPECT_EQ(as_text(file.bytes()), "hello");
    file.release(file.bytes());
    EXPECT_EQ(as_text(file.bytes()), "hello");
  }
  test::write_bytes(dir / "empty", "");
  EXPECT_EQ(MappedFile(dir / "empty").bytes().size(), 0u);
}

TEST(MappedFile, WhatCannotBeReadIsNamed) {
  const TempDir dir;
  EXPECT_FAILS(ErrorKind::not_found, "no\\nfile", MappedFile(dir / "no\nfile"));
  EXPECT_FAILS(ErrorKind::format, "is not a file", MappedFile(dir.path()));
  EXPECT_FAILS(ErrorKind::format, "/dev/zero is not a file", MappedFile("/dev/zero"));
  EXPECT_FAILS(ErrorKind::limit, "more than 3 bytes",
               (test::write_bytes(dir / "f", "hello"), read_file(dir / "f", 3)));
}

// A file that shrinks under its mapping ends the process with status 3 and one line.
TEST(MappedFile, ACutFileIsNoSigbus) {
  const TempDir dir;
  test::write_bytes(dir / "f", std::string(1 << 20, 'x'));
  const pid_t child = ::fork();
  if (child == 0) {
    guard_mappings("r1-test");
    const MappedFile file(dir / "f");
    std::filesystem::resize_file(dir / "f", 10);
    volatile std::byte last = file.bytes()[(1 << 20) - 1];
    ::_exit(static_cast<int>(last) & 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 3) << status;
}

TEST(Output, AFileAppearsWholeOrNotAtAll) {
  const TempDir dir;
  {
    const auto out = open_file(dir / "f");
    out->write("half");
    out->flush();
    EXPECT_FALSE(std::filesystem::exists(dir / "f"));
  }
  EXPECT_EQ(count_entries(dir), 0u);
  const auto out = open_file(dir / "f");
  out->write("whole");
  out->close();
  EXPECT_EQ(test::read_bytes(dir / "f"), "whole");
  EXPECT_EQ(count_entries(dir), 1u);
}

TEST(Output, LeftoversOfKilledRunsGoAndThoseOfLivingOnesStay) {
  const TempDir dir;
  test::write_bytes(dir / ".r1-abcdef.tmp", "left over");
  const auto living = open_file(dir / "a");
  EXPECT_FALSE(std::filesystem::exists(dir / ".r1-abcdef.tmp"));
  const auto other = open_file(dir / "b");
  living->write("a");
  living->close();
  other->close();
  EXPECT_EQ(test::read_bytes(dir / "a"), "a");
}

TEST(Output, AProcessLooksForLeftoversInAFolderOnce) {
  const TempDir dir;
  open_file(dir / "a")->close();
  test::write_bytes(dir / ".r1-abcdef.tmp", "left over");
  open_file(dir / "b")->close();
  EXPECT_TRUE(std::filesystem::exists(dir / ".r1-abcdef.tmp"));
}

TEST(Output, AReplacedFileKeepsItsMode) {
  const TempDir dir;
  for (const auto opened : {open_file, open_journal}) {
    test::write_bytes(dir / "f", "old");
    std::filesystem::permissions(dir / "f", std::filesystem::perms::owner_read);
    const auto out = opened(dir / "f");
    out->write("new");
    out->close();
    EXPECT_EQ(test::read_bytes(dir / "f"), "new");
    EXPECT_EQ(std::filesystem::status(dir / "f").permissions(), std::filesystem::perms::owner_read);
    std::filesystem::remove(dir / "f");
  }
}

TEST(Output, AJournalIsWrittenThroughNoLink) {
  const TempDir dir;
  std::filesystem::create_symlink("victim", dir / "f.partial");
  EXPECT_FAILS(ErrorKind::write, "f.partial", open_journal(dir / "f"));
  EXPECT_FALSE(std::filesystem::exists(dir / "victim"));
}

// The kind of failure `body` meets with standard output leading to `target`, as an exit status.
template <typename Body>
int status_with_stdout(const char* target, Body&& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(STDOUT_FILENO);
    if (target != nullptr) ::open(target, O_WRONLY);
    try {
      body();
    } catch (const Error& e) {
      ::_exit(exit_status(e.kind()));
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Output, AFullDiskOrAClosedStdoutIsAFailedWrite) {
  const auto write = [](std::string_view text) {
    const auto out = open_stdout();
    out->write(text);
    out->close();
  };
  EXPECT_EQ(status_with_stdout("/dev/full", [&] { write("x"); }), 4);
  EXPECT_EQ(status_with_stdout("/dev/full", [&] { write(std::string(1 << 20, 'x')); }), 4);
  EXPECT_EQ(status_with_stdout(nullptr, [&] { write("x"); }), 4);
  EXPECT_EQ(status_with_stdout(nullptr, [&] { write(""); }), 0);
  EXPECT_EQ(status_with_stdout("/dev/null", [&] { write("x"); }), 0);
}

TEST(Output, AJournalKeepsWhatWasWrittenWhenItBreaksOff) {
  const TempDir dir;
  {
    const auto out = open_journal(dir / "r.jsonl");
    out->write("{}\n");
  }
  EXPECT_EQ(test::read_bytes(dir / "r.jsonl.partial"), "{}\n");
  const auto out = open_journal(dir / "r.jsonl");
  out->write("[]\n");
  out->close();
  EXPECT_EQ(test::read_bytes(dir / "r.jsonl"), "{}\n[]\n");
  EXPECT_FALSE(std::filesystem::exists(dir / "r.jsonl.partial"));
}

TEST(Output, AJournalThatNothingWasWrittenToLeavesNothing) {
  const TempDir dir;
  open_journal(dir / "r.jsonl");
  EXPECT_FALSE(std::filesystem::exists(dir / "r.jsonl.partial"));
  test::write_bytes(dir / "r.jsonl.partial", "");
  open_journal(dir / "r.jsonl");  // it was there before
  EXPECT_TRUE(std::filesystem::exists(dir / "r.jsonl.partial"));
}

TEST(Output, WhatIsOpenUnderANameIsADeviceAndWrittenToAtItsEnd) {
  const TempDir dir;
  EXPECT_TRUE(is_device("/dev/null"));
  EXPECT_TRUE(is_device("/dev/stderr"));
  EXPECT_TRUE(is_device("/proc/self/fd/1"));
  EXPECT_FALSE(is_device(dir / "none"));
  std::filesystem::create_symlink("b", dir / "a");
  std::filesystem::create_symlink("a", dir / "b");
  EXPECT_FALSE(is_device(dir / "a"));
  test::write_bytes(dir / "f", "old");
  const int file = ::open((dir / "f").c_str(), O_WRONLY);
  const auto out = open_device(fmt::format("/dev/fd/{}", file));
  EXPECT_TRUE(is_device(fmt::format("/dev/fd/{}", file)));
  out->write("new");
  out->close();
  ::close(file);
  EXPECT_EQ(test::read_bytes(dir / "f"), "oldnew");
}

TEST(Output, AGrowingFileIsBegunAnewAndStays) {
  const TempDir dir;
  test::write_bytes(dir / "sums", "of an earlier run\n");
  const auto out = open_growing(dir / "sums");
  out->write("1\n");
  EXPECT_EQ(test::read_bytes(dir / "sums"), "1\n");
  out->write("2\n");
  EXPECT_EQ(test::read_bytes(dir / "sums"), "1\n2\n");
}

}  // namespace
}  // namespace r1
