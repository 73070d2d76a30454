#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tools/common/targets.h"
#include "tools/complete/records.h"
#include "tools/complete/settings.h"

namespace r1 {

// Which items of a run are worked on: not those whose result is there already, and with
// --only-failed none but those that have no good answer yet. An answer to another question (the id
// is the same, what is asked is not) is none.
class Choice {
 public:
  // Reads the files of --resume and --only-failed. Fails with `usage`, also when a record was made
  // with another `recipe`.
  Choice(const CompleteSettings& settings, const std::string& recipe,
         const std::filesystem::path& model);

  enum class Verdict { run, skip, drop };
  // What becomes of the item with this id, and why, into `item`. Throws what makes it an error.
  // First from its name alone, so that what is skipped is not read; then, if that says `run`, from
  // `item.digest` too.
  Verdict judge_name(ItemSource& item, const std::string& id);
  Verdict judge_question(ItemSource& item, const std::string& id);

  bool only_failed() const { return only_failed_; }
  const std::vector<std::string>& failed_paths() const { return failed_paths_; }
  bool stores() const { return targets_.wanted(); }
  const Targets& targets() const { return targets_; }
  // No result replaces this input. Fails with `usage` where the records would.
  void keep(const std::string& input);
  // Could results replace an input that is not kept yet?
  bool may_replace() const { return targets_.may_replace() || !replaced_.empty(); }
  std::vector<std::string> kept() const;  // lines of an earlier run, not given out
  // Those of them that no item will ask for: whose ids were not, or all where the run ended early.
  std::vector<std::string> unclaimed(bool ended_early) const;

 private:
  struct Kept {
    std::string digest, line;
  };
  void keep_files(const std::filesystem::path& path);
  void read_kept(const std::string& output, const std::string& recipe);
  void read_good(const std::string& path, const std::string& recipe);
  std::string take_kept(const std::string& id, const std::string& digest);
  Verdict judge_target(ItemSource& item) const;

  Targets targets_;
  std::vector<std::filesystem::path> replaced_;  // what is there and gives way to the records
  bool only_failed_;
  std::set<std::string> failed_;                           // ids
  std::map<std::string, std::set<std::string>> answered_;  // digests by id
  std::vector<std::string> failed_paths_;
  std::map<std::string, std::vector<Kept>> kept_;  // by id
  std::set<std::string> asked_;                    // ids
};

}  // namespace r1
