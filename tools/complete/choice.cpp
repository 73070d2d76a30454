#include "tools/complete/choice.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/output.h"
#include "lib/base/paths.h"
#include "tools/common/earlier_records.h"

namespace r1 {
namespace {

TargetOptions target_options(const CompleteSettings& s) {
  std::string if_exists = s.if_exists;
  if (s.force) if_exists = "overwrite";
  if (!s.only_failed.empty() && if_exists == "skip") if_exists = "overwrite";
  return {s.output_folder, s.sidecar, s.sidecar_ext, if_exists};
}

std::vector<std::filesystem::path> replaced_by_records(const CompleteSettings& s) {
  std::vector<std::filesystem::path> replaced;
  if (s.output == "-" || is_device(s.output)) return replaced;
  for (const std::string& path : {s.output, s.output + ".partial"})
    if (is_there(path)) replaced.emplace_back(path);
  return replaced;
}

}  // namespace

Choice::Choice(const CompleteSettings& s, const std::string& recipe,
               const std::filesystem::path& model)
    : targets_(target_options(s)),
      replaced_(replaced_by_records(s)),
      only_failed_(!s.only_failed.empty()) {
  for (const std::string& path : s.read) keep_files(path);
  keep_files(model);
  if (s.output != "-") targets_.take({s.output, s.output + ".partial"});
  if (only_failed_)
    for (const EarlierRecord& r : read_earlier(s.only_failed, kCompleteSchema)) {
      if (r.status == "ok" && !r.digest.empty()) answered_[r.id].insert(r.digest);
      if (r.status != "error" && targets_.wanted() && !r.path.empty()) targets_.reserve(r.path);
      if (r.status != "error") continue;
      failed_.insert(r.id);
      if (!r.path.empty()) failed_paths_.push_back(r.path);
    }
  if (s.resume) read_kept(s.output, recipe);
}

// What a run that goes on has kept of FILE is in FILE.partial from its beginning, and one with -f
// wanted none of it: where FILE.partial has records they are all.
void Choice::read_kept(const std::string& output, const std::string& recipe) {
  for (const std::string& path : {output + ".partial", output})
    if (kept_.empty() && is_there(path)) read_good(path, recipe);
}

void Choice::keep(const std::string& input) {
  std::error_code none;
  for (const std::filesystem::path& path : replaced_)
    if (std::filesystem::equivalent(path, input, none))
      fail(ErrorKind::usage, "{} is read, and would be replaced by a result", escaped(input));
  targets_.keep(input);
}

// A folder is the files in it.
void Choice::keep_files(const std::filesystem::path& path) {
  targets_.keep(path.string());
  std::error_code none;
  if (!targets_.wanted() || !std::filesystem::is_directory(path, none)) return;
  for (const auto& entry : std::filesystem::directory_iterator(path, none))
    targets_.keep(entry.path().string());
}

void Choice::read_good(const std::string& path, const std::string& recipe) {
  for (const EarlierRecord& r : read_earlier(path, kCompleteSchema)) {
    if (r.status != "ok") continue;
    if (r.recipe != recipe)
      fail(ErrorKind::usage,
           "{}: its records were made by recipe {} (model and options), and this run has {}",
           escaped(path), escaped(r.recipe), recipe);
    kept_[r.id].push_back({r.digest, r.line});
  }
}

std::string Choice::take_kept(const std::string& id, const std::string& digest) {
  if (digest.empty()) return {};
  std::vector<Kept>& waiting = kept_[id];
  const auto same = std::find_if(waiting.begin(), waiting.end(),
                                 [&](const Kept& kept) { return kept.digest == digest; });
  if (same == waiting.end()) return {};
  std::string line = std::move(same->line);
  waiting.erase(same);
  return line;
}

Choice::Verdict Choice::judge_name(ItemSource& item, const std::string& id) {
  if (only_failed_ && !failed_.contains(id) && !answered_.contains(id)) return Verdict::drop;
  if (targets_.wanted()) item.target = targets_.claim(item.path).string();
  return kept_.contains(id) ? Verdict::run : judge_target(item);
}

Choice::Verdict Choice::judge_question(ItemSource& item, const std::string& id) {
  if (only_failed_ && !failed_.contains(id) && answered_[id].contains(item.digest))
    return Verdict::drop;
  if (!kept_.contains(id)) return Verdict::run;
  asked_.insert(id);
  std::string line = take_kept(id, item.digest);
  const bool stored = item.target.empty() || is_there(item.target);
  if (line.empty() || !stored) return judge_target(item);
  item.kept = std::move(line);
  return Verdict::skip;
}

// A result that is stored already is not made again, unless --if-exists says so.
Choice::Verdict Choice::judge_target(ItemSource& item) const {
  if (item.target.empty() || !targets_.skips(item.target)) return Verdict::run;
  item.warnings.push_back(escaped(item.target) + " exists");
  return Verdict::skip;
}

std::vector<std::string> Choice::kept() const {
  std::vector<std::string> lines;
  for (const auto& [id, waiting] : kept_)
    for (const Kept& kept : waiting) lines.push_back(kept.line);
  return lines;
}

std::vector<std::string> Choice::unclaimed(bool ended_early) const {
  std::vector<std::string> lines;
  for (const auto& [id, waiting] : kept_)
    for (const Kept& kept : waiting)
      if (ended_early || !asked_.contains(id)) lines.push_back(kept.line);
  return lines;
}

}  // namespace r1
