#include "tools/finetune/event_file.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tools/finetune/records.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

std::string hex(const std::string& bytes) {
  std::string digits;
  for (const char byte : bytes) digits += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return digits;
}

struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "r1-events-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
};

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// RFC 3720, B.4.
TEST(EventFile, HasThePublishedChecksum) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  EXPECT_EQ(crc32c(""), 0u);
}

// The bytes that tensorboard 2.21 writes for the same.
TEST(EventFile, HasTheBytesThatTensorBoardWrites) {
  EXPECT_EQ(hex(tf_record(version_event(1.5))),
            "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c");
  EXPECT_EQ(hex(tf_record(restart_event(1.5, 301))),
            "100000000000000095fbfe1809000000000000f83f10ad023a020801d17949d4");
}

TEST(EventFile, SaysOfAStepWhatItsRecordSays) {
  const TrainRecord first{.step = 0, .val_loss = 2.0};
  EXPECT_EQ(hex(scalars_event(1.5, first)),
            "09000000000000f83f2a200a0f0a0876616c5f6c6f737315000000400a0d0a06746f6b656e731500"
            "000000");
  const TrainRecord later{
      .step = 300, .loss = 1.25, .rate = 0.5, .norm = 0.75, .tokens = 4096, .val_loss = 2.0};
  EXPECT_EQ(hex(scalars_event(1.5, later)),
            "09000000000000f83f10ac022a4a0a0b0a046c6f7373150000a03f0a090a026c72150000003f0a10"
            "0a09677261645f6e6f726d150000403f0a0f0a0876616c5f6c6f737315000000400a0d0a06746f6b"
            "656e731500008045");
}

TEST(EventFile, OfARunThatGoesOnTakesThePlaceOfWhatIsMadeAgain) {
  const Folder folder;
  const fs::path runs = folder.path / "runs";
  EXPECT_FALSE(holds_event_files(runs));
  EventFile(runs, std::nullopt).close();
  EventFile(runs, 20).close();
  EventFile(runs, 30).close();
  EventFile(runs, 20).close();
  EXPECT_EQ(names_in(runs),
            (std::vector<std::string>{"events.out.tfevents.0000000000.r1-finetune",
                                      "events.out.tfevents.0000000020.r1-finetune"}));
  EXPECT_TRUE(holds_event_files(runs));
  EventFile(runs, std::nullopt).close();
  EXPECT_EQ(names_in(runs).size(), 1u);
}

TEST(EventFile, ThatIsSomebodyElsesStays) {
  const Folder folder;
  for (const char* name : {"events.out.tfevents.9999999999.host", "notes.r1-finetune"})
    open_growing(folder.path / name)->close();
  EXPECT_FALSE(holds_event_files(folder.path));
  EventFile(folder.path, std::nullopt).close();
  EXPECT_EQ(names_in(folder.path).size(), 3u);
}

}  // namespace
}  // namespace r1
