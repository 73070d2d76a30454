#include "lib/io/output_folder.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string_view>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/lower.h"
#include "lib/base/output.h"
#include "lib/base/paths.h"
#include "lib/io/small_files.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRecipe = "r1.recipe";  // in the partial folder alone

std::string shown(const fs::path& path) { return escaped(path.string()); }

// Is this what folders of models have, on the Hugging Face hub or on their way here?
bool is_of_models(const std::string& file) {
  constexpr std::string_view kNames[] = {"config.json",    "params.json",
                                         ".gitattributes", "pytorch_model.bin.index.json",
                                         "r1.sums",        kRecipe};
  constexpr std::string_view kEndings[] = {"_config.json", ".safetensors",
                                           ".safetensors.index.json", ".md"};
  constexpr std::pair<std::string_view, std::string_view> kBoth[] = {
      {"chat_template.", ""}, {"pytorch_model", ".bin"}, {".r1-", ".tmp"}};
  std::string name = lower(file);
  constexpr std::string_view kPartial = ".partial";
  if (name.ends_with(kPartial)) name.resize(name.size() - kPartial.size());
  return is_small_file(name) ||
         std::any_of(std::begin(kNames), std::end(kNames), [&](auto n) { return name == n; }) ||
         std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](auto ending) { return name.ends_with(ending); }) ||
         std::any_of(std::begin(kBoth), std::end(kBoth), [&](const auto& both) {
           return name.starts_with(both.first) && name.ends_with(both.second);
         });
}

void refuse_other_than_model(const fs::path& path, const std::vector<std::string>& own) {
  std::error_code none;
  if (!fs::is_directory(fs::symlink_status(path, none)))
    fail(ErrorKind::usage, "{} is no folder", shown(path));
  bool empty = true, has_config = false;
  std::string foreign;  // the first by name
  for (const fs::directory_entry& entry : fs::directory_iterator(path, none)) {
    empty = false;
    const std::string name = entry.path().filename().string();
    has_config = has_config || name == "config.json" || name == kRecipe;
    if (!is_of_models(name) && std::find(own.begin(), own.end(), name) == own.end() &&
        (foreign.empty() || name < foreign))
      foreign = name;
    if (fs::is_directory(entry.symlink_status(none)))
      fail(ErrorKind::usage, "{} holds folders, and is not replaced", shown(path));
  }
  if (!empty && !has_config)
    fail(ErrorKind::usage, "{} holds no model, and is not replaced", shown(path));
  if (!foreign.empty())
    fail(ErrorKind::usage, "{} holds {}, which is no file of a model, and is not replaced",
         shown(path), shown(foreign));
}

fs::path partial_of(fs::path path) { return path += ".partial"; }

void check_whole(const fs::path& path, bool replace, const std::vector<std::string>& own) {
  if (!is_taken(path)) return;
  if (!replace) fail(ErrorKind::usage, "{} exists; -f replaces it", shown(path));
  refuse_other_than_model(path, own);
}

void check_partial(const fs::path& partial, bool wanted, const std::vector<std::string>& own) {
  if (!is_taken(partial)) return;
  if (!wanted)
    fail(ErrorKind::usage, "{} exists; --resume goes on with it, -f begins anew", shown(partial));
  refuse_other_than_model(partial, own);
}

// Files alone: whoever put a folder there meanwhile keeps it.
void empty(const fs::path& folder) {
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, none))
    ::unlink(entry.path().c_str());
}

void remove_files(const fs::path& folder) {
  empty(folder);
  ::rmdir(folder.c_str());
}

}  // namespace

OutputFolder::OutputFolder(const fs::path& path, bool replace, bool resume,
                           const std::vector<std::string>& own)
    : path_(without_slash(path)), partial_(partial_of(path_)), replace_(replace), own_(own) {
  check_whole(path_, replace, own);
  lock_.take_partial(path_);  // before a word of what is there
  check_partial(partial_, replace || resume, own);
  if (!resume) empty(partial_);  // it stays itself: it is locked
  if (!lock_.take_partial(path_, OutputLock::Make::folder))
    fail(ErrorKind::write, "{}: {}", shown(partial_), std::strerror(errno));
  struct stat old {};  // it is for the same eyes
  if (::stat(path_.c_str(), &old) == 0) ::chmod(partial_.c_str(), (old.st_mode & 07777) | S_IRWXU);
}

void OutputFolder::check(const fs::path& path, bool replace, bool resume,
                         const std::vector<std::string>& own) {
  check_whole(without_slash(path), replace, own);
  check_partial(partial_of(without_slash(path)), replace || resume, own);
}

OutputFolder::~OutputFolder() {
  if (!kept_) remove_files(partial_);
}

bool OutputFolder::begin(const std::string& recipe) {
  const fs::path note = partial_ / kRecipe;
  if (is_taken(note)) return read_file(note) == recipe;
  std::error_code none;
  if (!fs::is_empty(partial_, none)) return false;
  const auto out = open_file(note);
  out->write(recipe);
  out->close();
  return true;
}

void OutputFolder::close() {
  keep();  // whatever is in the way by now
  check_whole(path_, replace_, own_);
  sync_folder(partial_);
  if (!take_place(partial_, path_))
    fail(ErrorKind::write, "{}: {}", shown(path_), std::strerror(errno));
  ::unlink((path_ / kRecipe).c_str());  // by now nothing is gone on with
  sync_folder(path_.has_parent_path() ? path_.parent_path() : fs::path("."));
  remove_files(partial_);  // now the old one, if there was one
}

}  // namespace r1
