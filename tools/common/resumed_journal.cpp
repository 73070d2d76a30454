#include "tools/common/resumed_journal.h"

#include "tools/common/earlier_records.h"

namespace r1 {
namespace {

std::filesystem::path partial(const std::filesystem::path& path) {
  return path.string() + ".partial";
}

}  // namespace

ResumedJournal::ResumedJournal(const std::filesystem::path& path,
                               const std::vector<std::string>& kept)
    : path_(path) {
  const auto begun = open_file(partial(path));
  for (const std::string& line : kept) begun->write(line);
  begun->close();
  journal_ = open_journal(path);
}

void ResumedJournal::add(std::int64_t index, const std::string& line) {
  journal_->write(line);
  lines_[index] = line;
}

void ResumedJournal::add_kept(std::int64_t index, const std::string& line) {
  lines_[index] = with_index(line, index);
}

void ResumedJournal::close(const std::vector<std::string>& unclaimed, const std::string& summary) {
  std::int64_t next = lines_.empty() ? 0 : lines_.rbegin()->first + 1;
  const auto out = open_file(path_);
  for (const auto& [index, line] : lines_) out->write(line);
  for (const std::string& line : unclaimed) out->write(with_index(line, next++));
  out->write(summary);
  out->close();
  journal_.reset();
  std::error_code kept;
  std::filesystem::remove(partial(path_), kept);
}

}  // namespace r1
