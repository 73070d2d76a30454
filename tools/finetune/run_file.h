#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "lib/io/weights.h"
#include "lib/train/checkpoint.h"
#include "tools/finetune/settings.h"

namespace r1 {

// run.json in the folder of a run: what it was made of. While the run is not finished it is
// run.json.partial.
class RunFile {
 public:
  // Reads all of the data, and the base: their SHA-256 are part of it.
  RunFile(const FinetuneSettings& settings, const ModelFiles& base);

  // What the steps depend on, 16 digits each, whatever is made of them, and wherever files lie.
  const Recipe& recipe() const { return recipe_; }
  // "with --rank 8, not 4": how the run in this folder, or around this checkpoint, was begun with
  // another model or other weights of it.
  std::string other_model(const std::filesystem::path& folder) const;
  bool says_finished() const;  // a run of this recipe, exported so
  // Fails with `usage`, and says in what, where the run in this folder differs from this one.
  void refuse_others(const std::string& folder) const;
  void begin() const;
  void finish(const std::vector<std::string>& exported) const;

 private:
  std::string text_with(const std::set<std::string>& exported) const;

  std::filesystem::path path_, begun_;
  std::string text_;  // is not closed
  Recipe recipe_;
  bool data_may_change_;
  std::string begun_behind_;        // a checkpoint of another run; empty: none
  std::set<std::string> exported_;  // earlier, by this run
};

// Does a run say in this folder what it is made of?
bool holds_run(const std::filesystem::path& folder);

// The names of files that a run exported into its folder, as far as that says.
std::set<std::string> exported_into(const std::filesystem::path& folder);

}  // namespace r1
