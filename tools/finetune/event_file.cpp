#include "tools/finetune/event_file.h"

#include <bit>
#include <chrono>
#include <vector>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "tools/finetune/records.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "events.out.tfevents.", kEnding = ".r1-finetune";

// Field numbers of tensorflow's event.proto and summary.proto.
constexpr int kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
constexpr int kValue = 1, kTag = 1, kSimpleValue = 2, kStatus = 1, kStart = 1;

template <typename Number>
void append_little_endian(std::string& out, Number value) {
  for (std::size_t byte = 0; byte < sizeof value; ++byte)
    out += static_cast<char>(value >> (8 * byte) & 0xFF);
}

// A message of protocol buffers, field by field.
class Writer {
 public:
  Writer& number(int field, double value) {
    key(field, 1);
    append_little_endian(bytes_, std::bit_cast<std::uint64_t>(value));
    return *this;
  }
  Writer& number(int field, float value) {
    key(field, 5);
    append_little_endian(bytes_, std::bit_cast<std::uint32_t>(value));
    return *this;
  }
  Writer& integer(int field, std::int64_t value) {
    if (value == 0) return *this;  // that is what no field means
    key(field, 0);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  Writer& bytes(int field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  const std::string& text() const { return bytes_; }

 private:
  void key(int field, int wire_type) { varint(static_cast<std::uint64_t>(field << 3 | wire_type)); }
  void varint(std::uint64_t value) {
    for (; value > 0x7F; value >>= 7) bytes_ += static_cast<char>((value & 0x7F) | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

std::uint32_t masked(std::uint32_t crc) { return std::rotr(crc, 15) + 0xA282EAD8u; }

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Names have ten digits: TensorBoard reads files in the order of their names.
std::string name_of(std::int64_t done) { return fmt::format("{}{:010}{}", kPrefix, done, kEnding); }

std::vector<fs::path> event_files(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, none)) {
    const std::string name = entry.path().filename().string();
    if (name.size() == name_of(0).size() && name.starts_with(kPrefix) && name.ends_with(kEnding))
      found.push_back(entry.path());
  }
  return found;
}

}  // namespace

EventFile::EventFile(const fs::path& folder, std::optional<std::int64_t> done) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail(ErrorKind::write, "{}: {}", escaped(folder.string()), error.message());
  const std::string name = name_of(done.value_or(0));
  for (const fs::path& old : event_files(folder))
    if (old.filename().string() > name) fs::remove(old, error);
  out_ = open_growing(folder / name);
  out_->write(tf_record(version_event(now())));
  if (done) out_->write(tf_record(restart_event(now(), *done + 1)));
}

void EventFile::write(const TrainRecord& record) {
  out_->write(tf_record(scalars_event(now(), record)));
}

bool holds_event_files(const fs::path& folder) { return !event_files(folder).empty(); }

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0u;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
  }
  return ~crc;
}

std::string tf_record(std::string_view data) {
  std::string record;
  append_little_endian(record, std::uint64_t{data.size()});
  append_little_endian(record, masked(crc32c(record)));
  record += data;
  append_little_endian(record, masked(crc32c(data)));
  return record;
}

std::string version_event(double time) {
  return Writer().number(kWallTime, time).bytes(kFileVersion, "brain.Event:2").text();
}

std::string restart_event(double time, std::int64_t step) {
  const Writer log = Writer().integer(kStatus, kStart);
  return Writer()
      .number(kWallTime, time)
      .integer(kStep, step)
      .bytes(kSessionLog, log.text())
      .text();
}

std::string scalars_event(double time, const TrainRecord& r) {
  Writer summary;
  const auto add = [&](const char* tag, double value) {
    const Writer scalar = Writer().bytes(kTag, tag).number(kSimpleValue, static_cast<float>(value));
    summary.bytes(kValue, scalar.text());
  };
  if (r.loss) add("loss", *r.loss);
  if (r.step > 0) add("lr", r.rate);
  if (r.norm) add("grad_norm", *r.norm);
  if (r.val_loss) add("val_loss", *r.val_loss);
  add("tokens", static_cast<double>(r.tokens));
  return Writer()
      .number(kWallTime, time)
      .integer(kStep, r.step)
      .bytes(kSummary, summary.text())
      .text();
}

}  // namespace r1
