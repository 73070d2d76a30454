#include "lib/io/model_dir.h"

#include <algorithm>
#include <optional>

#include "lib/base/edit_distance.h"
#include "lib/base/error.h"
#include "lib/base/lower.h"
#include "lib/base/paths.h"
#include "lib/io/model_stores.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

std::string variable(const ModelPlaces& places, std::string_view name) {
  const auto found = places.environment.find(name);
  return found == places.environment.end() ? std::string() : found->second;
}

// A place below the home folder; empty when there is none, for a relative one would be searched.
fs::path at_home(const ModelPlaces& places, const char* below) {
  const std::string home = variable(places, "HOME");
  return home.empty() ? fs::path() : fs::path(home) / below;
}

fs::path hugging_face(const ModelPlaces& p) {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (const std::string value = variable(p, name); !value.empty()) return value;
  if (const std::string home = variable(p, "HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  if (const std::string cache = variable(p, "XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "huggingface/hub";
  return at_home(p, ".cache/huggingface/hub");
}

// Everything that a name can reach, in the order of r1-model(5); the first place that has a name
// has it.
StoredModels all_models(const ModelPlaces& places) {
  StoredModels out;
  for (const fs::path& folder : places.model_path) add_folder(out, folder);
  if (!places.shipped.empty()) add_folder(out, places.shipped);
  if (const fs::path hub = hugging_face(places); !hub.empty()) add_hugging_face(out, hub);
  const auto place = [&](std::string_view name, const char* below_home) {
    const std::string said = variable(places, name);
    return said.empty() ? at_home(places, below_home) : fs::path(said);
  };
  if (const fs::path p = place("LLAMA_CACHE", ".cache/llama.cpp"); !p.empty()) add_folder(out, p);
  if (const fs::path p = place("OLLAMA_MODELS", ".ollama/models"); !p.empty()) add_ollama(out, p);
  add_ollama(out, "/usr/share/ollama/.ollama/models");
  if (const fs::path p = at_home(places, ".lmstudio/models"); !p.empty()) add_lm_studio(out, p);
  std::stable_sort(out.begin(), out.end(), [](const StoredModel& a, const StoredModel& b) {
    return a.entry.name < b.entry.name;
  });
  out.erase(std::unique(out.begin(), out.end(),
                        [](const StoredModel& a, const StoredModel& b) {
                          return a.entry.name == b.entry.name;
                        }),
            out.end());
  return out;
}

// Names that are like this one, else some that are here.
std::string other_names(std::string_view name, StoredModels models) {
  constexpr std::size_t kMost = 5;
  const auto distance = [name](const StoredModel& m) { return edit_distance(name, m.entry.name); };
  std::stable_sort(models.begin(), models.end(), [&](const StoredModel& a, const StoredModel& b) {
    return distance(a) < distance(b);
  });
  const StoredModel& first = models[0];
  const bool near = first.entry.name.starts_with(name) || distance(first) <= name.size() / 2;
  std::string out = near ? "; the nearest: " : "; here are: ";
  for (std::size_t i = 0; i < std::min(models.size(), kMost); ++i)
    out += (i > 0 ? ", " : "") + escaped(models[i].entry.name);
  return out;
}

// The model of exactly this name, else the only one that it can mean: `org/name` alone for its only
// file, org/name:q4_k_m for the file whose name says so. Null when none or several fit.
const StoredModel* chosen(std::string_view name, const StoredModels& models) {
  std::vector<const StoredModel*> meant;
  const std::size_t colon = name.rfind(':');
  const bool cut = colon != std::string_view::npos;
  for (const StoredModel& m : models) {
    const std::string_view full = m.entry.name;
    if (full == name) return &m;
    const bool only_file = full.starts_with(std::string(name) + ":");
    const bool quant =
        cut && full.starts_with(name.substr(0, colon + 1)) &&
        lower(full.substr(colon + 1)).find(lower(name.substr(colon + 1))) != std::string::npos;
    if (only_file || quant) meant.push_back(&m);
  }
  return meant.size() == 1 ? meant[0] : nullptr;
}

// "org/name@revision:file" loses its revision, which is returned; nothing where there is none.
std::optional<std::string> take_revision(std::string& name) {
  const std::size_t at = name.find('@');
  if (at == std::string::npos) return std::nullopt;
  const std::size_t colon = std::min(name.find(':', at), name.size());
  std::string revision = name.substr(at + 1, colon - at - 1);
  name.erase(at, colon - at);
  return revision;
}

// What a revision of org/name[:file] has.
StoredModels at_revision(const std::string& name, const std::string& revision,
                         const ModelPlaces& places) {
  StoredModels out;
  if (const fs::path hub = hugging_face(places); !hub.empty())
    add_revision(out, hub, name.substr(0, name.find(':')), revision);
  return out;
}

// What is here under a name that was not found, if it is meant.
std::string same_name_here(const std::string& name) {
  const std::string shown = escaped(name);
  if (std::error_code none; fs::is_directory(name, none))
    return "; a folder of this name is here: write ./" + shown;
  if (is_there(name + ".gguf")) return "; a file of this name is here: write " + shown + ".gguf";
  return is_there(name) ? "; a file of this name is here, but a model is a .gguf file or a folder"
                        : "";
}

// Nothing where files of the model are here, and it is not said which is meant.
std::string how_to_fetch(const std::string& name, const std::string& revision,
                         const StoredModels& models) {
  const bool here = std::any_of(models.begin(), models.end(), [&](const StoredModel& m) {
    return m.entry.name.starts_with(name + ":");
  });
  const std::string command = here ? std::string() : fetch_command(name, revision);
  return command.empty() ? "" : "; `" + command + "` would fetch it";
}

// The end of .gguf is that of a path too, but for ORG/NAME:FILE.
bool is_path(std::string_view name) {
  const bool is_file =
      name.ends_with(".gguf") && (name.find(':') == std::string_view::npos || is_there(name));
  return is_file || name.starts_with('/') || name.starts_with("./") || name.starts_with("../") ||
         name == "." || name == "..";
}

}  // namespace

std::vector<ModelEntry> list_models(const ModelPlaces& places) {
  std::vector<ModelEntry> out;
  for (StoredModel& m : all_models(places))
    if (m.remedy.empty() && m.entry.bytes > 0) out.push_back(std::move(m.entry));
  return out;
}

fs::path find_model(std::string_view name, const ModelPlaces& places) {
  if (is_path(name)) {
    if (!is_there(name)) fail(ErrorKind::model, "there is no model {}", escaped(name));
    return name;
  }
  if (name.empty()) fail(ErrorKind::model, "the name of a model is empty");
  std::string wanted(name);
  const std::optional<std::string> revision = take_revision(wanted);
  const StoredModels models =
      revision ? at_revision(wanted, *revision, places) : all_models(places);
  if (const StoredModel* m = chosen(wanted, models)) {
    if (m->remedy.empty()) return m->entry.path;
    fail(ErrorKind::truncated, "the model {} is not whole: {}", escaped(name), escaped(m->remedy));
  }
  std::string hint = models.empty() ? "; no model was found anywhere" : other_names(name, models);
  if (revision) hint = "; no Hugging Face cache has this revision of it";
  const std::string here = same_name_here(std::string(name));
  hint += here.empty() ? how_to_fetch(wanted, revision.value_or(""), models) : here;
  fail(ErrorKind::model, "there is no model {}{}", escaped(name), hint);
}

}  // namespace r1
