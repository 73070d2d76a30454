#pragma once

#include <filesystem>
#include <string>

#include "lib/io/weights.h"
#include "tools/finetune/settings.h"

namespace r1 {

// run.json in the folder of a run: what it was made of. Written last, so that it says too that the
// run is finished.
class RunFile {
 public:
  // Reads all of the data, and the base: their SHA-256 are part of it.
  RunFile(const FinetuneSettings& settings, const ModelFiles& base);

  // 16 digits: what the bytes of the result depend on.
  const std::string& recipe() const { return recipe_; }
  bool says_finished() const;  // a run of this recipe
  void write() const;
  void remove() const;

 private:
  std::filesystem::path path_;
  std::string text_, recipe_;
};

}  // namespace r1
