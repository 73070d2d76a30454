#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tools/common/targets.h"
#include "tools/complete/records.h"
#include "tools/complete/settings.h"

namespace r1 {

// Which items of a run are worked on: not those whose result is there already, and with
// --only-failed none but those that failed.
class Choice {
 public:
  // Reads the files of --resume and --only-failed. Fails with `usage`, also when a record was made
  // with another `recipe`.
  Choice(const CompleteSettings& settings, const std::string& recipe);

  enum class Verdict { run, skip, drop };
  // What becomes of the item with this id, and why, into `item`. Throws what makes it an error.
  Verdict judge(ItemSource& item, const std::string& id);

  bool only_failed() const { return only_failed_; }
  const std::vector<std::string>& failed_paths() const { return failed_paths_; }
  bool stores() const { return targets_.wanted(); }
  const Targets& targets() const { return targets_; }
  std::vector<std::string> kept() const;  // lines of an earlier run that `judge` has not given out

 private:
  void read_kept(const std::string& path, const std::string& recipe);

  Targets targets_;
  bool only_failed_;
  std::set<std::string> failed_;  // ids
  std::vector<std::string> failed_paths_;
  std::map<std::string, std::deque<std::string>> kept_;  // lines by id
};

}  // namespace r1
