#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/output.h"

namespace r1 {

// The file of records of a run that goes on from an earlier one. The kept lines stand in
// FILE.partial at once, new ones follow as they are made, so that breaking off again loses nothing;
// at `close` all of them become FILE, in the order of this run's input.
class ResumedJournal {
 public:
  ResumedJournal(const std::filesystem::path& path, const std::vector<std::string>& kept);

  void add(std::int64_t index, const std::string& line);       // a new one
  void add_kept(std::int64_t index, const std::string& line);  // one of the kept, in its place
  // `unclaimed`: kept lines whose items are not in this input; they stand at the end.
  void close(const std::vector<std::string>& unclaimed, const std::string& summary);

 private:
  std::filesystem::path path_;
  std::unique_ptr<Output> journal_;
  std::map<std::int64_t, std::string> lines_;  // by index
};

}  // namespace r1
