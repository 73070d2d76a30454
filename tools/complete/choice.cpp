#include "tools/complete/choice.h"

#include <filesystem>
#include <utility>

#include "lib/base/error.h"
#include "tools/common/earlier_records.h"

namespace r1 {
namespace {

TargetOptions target_options(const CompleteSettings& s) {
  std::string if_exists = s.if_exists;
  if (s.force) if_exists = "overwrite";
  if (!s.only_failed.empty() && if_exists == "skip") if_exists = "overwrite";
  return {s.output_folder, s.sidecar, s.sidecar_ext, if_exists};
}

}  // namespace

Choice::Choice(const CompleteSettings& s, const std::string& recipe)
    : targets_(target_options(s)), only_failed_(!s.only_failed.empty()) {
  if (only_failed_)
    for (const EarlierRecord& r : read_earlier(s.only_failed)) {
      if (r.status != "error") continue;
      failed_.insert(r.id);
      if (!r.path.empty()) failed_paths_.push_back(r.path);
    }
  if (!s.resume) return;
  for (const std::string& path : {s.output, s.output + ".partial"})
    if (std::error_code none; std::filesystem::exists(path, none)) read_kept(path, recipe);
}

void Choice::read_kept(const std::string& path, const std::string& recipe) {
  std::map<std::string, std::deque<std::string>> found;
  for (const EarlierRecord& r : read_earlier(path)) {
    if (r.status != "ok") continue;
    if (r.recipe != recipe)
      fail(ErrorKind::usage,
           "{}: its records were made by recipe {} (model and options), and this run has {}",
           escaped(path), escaped(r.recipe), recipe);
    found[r.id].push_back(r.line);
  }
  for (auto& [id, lines] : found) kept_[id] = std::move(lines);
}

Choice::Verdict Choice::judge(ItemSource& item, const std::string& id) {
  if (only_failed_ && !failed_.contains(id)) return Verdict::drop;
  if (const auto found = kept_.find(id); found != kept_.end() && !found->second.empty()) {
    item.kept = std::move(found->second.front());
    found->second.pop_front();
    return Verdict::skip;
  }
  if (!targets_.wanted()) return Verdict::run;
  item.target = targets_.claim(item.path).string();
  if (!targets_.skips(item.target)) return Verdict::run;
  item.warnings.push_back(escaped(item.target) + " exists");
  return Verdict::skip;
}

std::vector<std::string> Choice::kept() const {
  std::vector<std::string> lines;
  for (const auto& [id, waiting] : kept_) lines.insert(lines.end(), waiting.begin(), waiting.end());
  return lines;
}

}  // namespace r1
