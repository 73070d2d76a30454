#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "lib/io/weights.h"
#include "tools/finetune/settings.h"

namespace r1 {

inline constexpr const char* kStart = "start";  // a folder, of a run from scratch

// Names in the folder of a run: of what any run may export, and of what it writes beside that.
std::vector<std::string> names_of_any_run();
// Those, what this run's export copies of its base, and what is there of earlier exports.
std::vector<std::string> names_of_run(const FinetuneSettings& settings, const ModelFiles& base);

// What other runs exported into a folder. It stays until there is something else to put there; so
// long replaces.partial has the names.
class EarlierExport {
 public:
  explicit EarlierExport(std::filesystem::path folder);

  // `names`: as far as they are known. None of them need be there.
  void replace(std::set<std::string> names) const;
  void remove() const;  // what is to be replaced

 private:
  std::vector<std::string> listed() const;

  std::filesystem::path folder_, list_;
};

}  // namespace r1
