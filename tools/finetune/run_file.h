#pragma once

#include <filesystem>
#include <string>

#include "lib/io/weights.h"
#include "tools/finetune/settings.h"

namespace r1 {

// run.json in the folder of a run: what it was made of. While the run is not finished it is
// run.json.partial.
class RunFile {
 public:
  // Reads all of the data, and the base: their SHA-256 are part of it.
  RunFile(const FinetuneSettings& settings, const ModelFiles& base);

  // 16 digits: what the steps depend on, whatever is made of them.
  const std::string& recipe() const { return recipe_; }
  bool says_finished() const;  // a run of this recipe, exported so
  // Fails with `usage`, and says in what, where the run in this folder differs from this one.
  void refuse_others(const std::string& folder) const;
  void begin() const;
  void finish() const;

 private:
  std::filesystem::path path_, begun_;
  std::string text_, recipe_;
};

}  // namespace r1
