#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/output.h"

namespace r1 {

struct TrainRecord;

// What TensorBoard reads of a run: event files, that is TFRecords of Event messages. A run that is
// gone on with gets another file, whose name says after how many steps it begins and which takes
// back what the one before says of later steps.
class EventFile {
 public:
  // In a folder that is made where it is not there. `done`: steps that are gone on after; nothing:
  // a new run, which replaces all of them.
  EventFile(const std::filesystem::path& folder, std::optional<std::int64_t> done);
  void write(const TrainRecord& record);
  void close() { out_->close(); }

 private:
  std::unique_ptr<Output> out_;
};
bool holds_event_files(const std::filesystem::path& folder);  // of ours

// Castagnoli's CRC: of "123456789" it is e3069283.
std::uint32_t crc32c(std::string_view bytes);
// Length, data, and a CRC of each.
std::string tf_record(std::string_view data);
// Event messages; `time` in seconds since 1970.
std::string version_event(double time);
std::string restart_event(double time,
                          std::int64_t step);  // whatever was said from `step` on is void
std::string scalars_event(double time, const TrainRecord& record);

}  // namespace r1
