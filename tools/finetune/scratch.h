#pragma once

#include <filesystem>

#include "tools/finetune/settings.h"

namespace r1 {

// A model that has learnt nothing, of --init and --tokenizer, as a folder: what the run then
// teaches. Where no run begins, the folder is again as it was.
class StartOfRun {
 public:
  StartOfRun() = default;
  ~StartOfRun();
  StartOfRun(const StartOfRun&) = delete;
  StartOfRun& operator=(const StartOfRun&) = delete;

  // One that is there whole stays, without -f. Fails with `usage` for what makes none.
  void make(const FinetuneSettings& settings, const std::filesystem::path& folder);
  void keep();

 private:
  std::filesystem::path made_, earlier_;
};

// Its files alone: whatever else lies there is somebody's.
void remove_start(const std::filesystem::path& folder);

}  // namespace r1
