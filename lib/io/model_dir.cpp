#include "lib/io/model_dir.h"

#include <algorithm>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/json.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

std::string variable(const ModelPlaces& places, std::string_view name) {
  const auto found = places.environment.find(name);
  return found == places.environment.end() ? std::string() : found->second;
}

// Sorted names of a folder; none when it cannot be read.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code ignored;
  for (const fs::directory_entry& e : fs::directory_iterator(folder, ignored))
    paths.push_back(e.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::uint64_t size_of(const fs::path& path) {
  std::error_code failed;
  const std::uint64_t size = fs::file_size(path, failed);
  return failed ? 0 : size;
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

void add_gguf(std::vector<ModelEntry>& out, const std::string& name, const fs::path& path) {
  if (is_there(path)) out.push_back({name, path, "gguf", size_of(path)});
}

// A folder that someone put models into: files by their stem, folders with a config.json by name.
void add_folder(std::vector<ModelEntry>& out, const fs::path& folder) {
  for (const fs::path& path : entries_of(folder)) {
    if (path.extension() == ".gguf") add_gguf(out, path.stem().string(), path);
    if (is_there(path / "config.json"))
      out.push_back(
          {path.filename().string(), path, "safetensors", size_of(path / "model.safetensors")});
  }
}

// --- Hugging Face: models--ORG--NAME/snapshots/<commit>/
// -------------------------------------------

fs::path hugging_face(const ModelPlaces& p) {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (const std::string value = variable(p, name); !value.empty()) return value;
  if (const std::string home = variable(p, "HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  const std::string cache = variable(p, "XDG_CACHE_HOME");
  return (cache.empty() ? fs::path(variable(p, "HOME")) / ".cache" : fs::path(cache)) /
         "huggingface/hub";
}

// The snapshot that refs/main names, else the last one there is.
fs::path snapshot_of(const fs::path& model) {
  std::string commit;
  if (is_there(model / "refs/main")) commit = read_file(model / "refs/main", 4096);
  while (!commit.empty() && (commit.back() == '\n' || commit.back() == ' ')) commit.pop_back();
  const bool plain =
      commit.size() == 40 && commit.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (plain && is_there(model / "snapshots" / commit)) return model / "snapshots" / commit;
  const std::vector<fs::path> all = entries_of(model / "snapshots");
  return all.empty() ? fs::path() : all.back();
}

void add_hugging_face(std::vector<ModelEntry>& out, const fs::path& hub) {
  for (const fs::path& model : entries_of(hub)) {
    std::string name = model.filename().string();
    if (!name.starts_with("models--")) continue;
    name.erase(0, 8);
    if (const std::size_t at = name.find("--"); at != std::string::npos) name.replace(at, 2, "/");
    const fs::path snapshot = snapshot_of(model);
    if (snapshot.empty()) continue;
    if (is_there(snapshot / "config.json"))
      out.push_back({name, snapshot, "safetensors", size_of(snapshot / "model.safetensors")});
    for (const fs::path& file : entries_of(snapshot))
      if (file.extension() == ".gguf") add_gguf(out, name + ":" + file.filename().string(), file);
  }
}

// --- ollama: manifests/registry…/NAME/TAG names a blob
// ---------------------------------------------

void add_ollama_tag(std::vector<ModelEntry>& out, const fs::path& store, const fs::path& manifest) {
  try {
    const Json json = parse_json(read_file(manifest, 1 << 20), manifest.string());
    for (const Json& layer : json.at("layers", "manifest").array("layers")) {
      if (layer.at("mediaType", "layer").string("mediaType") !=
          "application/vnd.ollama.image.model")
        continue;
      std::string digest = layer.at("digest", "layer").string("digest");
      std::replace(digest.begin(), digest.end(), ':', '-');
      if (!digest.starts_with("sha256-") || digest.find('/') != std::string::npos) continue;
      const std::string name = manifest.parent_path().filename().string();
      add_gguf(out, "ollama:" + name + ":" + manifest.filename().string(),
               store / "blobs" / digest);
    }
  } catch (const Error&) {
    // A manifest that is not read hides its own model and no other.
  }
}

void add_ollama(std::vector<ModelEntry>& out, const fs::path& store) {
  for (const fs::path& host : entries_of(store / "manifests"))
    for (const fs::path& owner : entries_of(host))
      for (const fs::path& name : entries_of(owner))
        for (const fs::path& tag : entries_of(name)) add_ollama_tag(out, store, tag);
}

void add_lm_studio(std::vector<ModelEntry>& out, const fs::path& store) {
  for (const fs::path& publisher : entries_of(store))
    for (const fs::path& model : entries_of(publisher))
      for (const fs::path& file : entries_of(model))
        if (file.extension() == ".gguf")
          add_gguf(out,
                   publisher.filename().string() + "/" + model.filename().string() + ":" +
                       file.filename().string(),
                   file);
}

// Steps of one letter between two names.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row.back();
}

std::string nearest_names(std::string_view name, std::vector<ModelEntry> models) {
  constexpr std::size_t kMost = 5;
  std::stable_sort(models.begin(), models.end(), [name](const ModelEntry& a, const ModelEntry& b) {
    return distance(name, a.name) < distance(name, b.name);
  });
  std::string out;
  for (std::size_t i = 0; i < std::min(models.size(), kMost); ++i)
    out += (i > 0 ? ", " : "") + escaped(models[i].name);
  return out;
}

}  // namespace

std::vector<ModelEntry> list_models(const ModelPlaces& places) {
  std::vector<ModelEntry> out;
  for (const fs::path& folder : places.model_path) add_folder(out, folder);
  if (!places.shipped.empty()) add_folder(out, places.shipped);
  add_hugging_face(out, hugging_face(places));
  const fs::path home = variable(places, "HOME");
  const std::string llama = variable(places, "LLAMA_CACHE");
  add_folder(out, llama.empty() ? home / ".cache/llama.cpp" : fs::path(llama));
  const std::string ollama = variable(places, "OLLAMA_MODELS");
  add_ollama(out, ollama.empty() ? home / ".ollama/models" : fs::path(ollama));
  add_ollama(out, "/usr/share/ollama/.ollama/models");
  add_lm_studio(out, home / ".lmstudio/models");
  std::stable_sort(out.begin(), out.end(),
                   [](const ModelEntry& a, const ModelEntry& b) { return a.name < b.name; });
  // The first place that has a name has it.
  out.erase(std::unique(out.begin(), out.end(),
                        [](const ModelEntry& a, const ModelEntry& b) { return a.name == b.name; }),
            out.end());
  return out;
}

fs::path find_model(std::string_view name, const ModelPlaces& places) {
  if (name.starts_with('/') || name.starts_with("./") || name.starts_with("../") ||
      name.ends_with(".gguf")) {
    if (!is_there(name)) fail(ErrorKind::model, "there is no model {}", escaped(name));
    return name;
  }
  const std::vector<ModelEntry> models = list_models(places);
  std::vector<const ModelEntry*> quants;  // `org/name` alone also names its only file
  for (const ModelEntry& m : models) {
    if (m.name == name) return m.path;
    if (m.name.starts_with(std::string(name) + ":")) quants.push_back(&m);
    const std::size_t colon = name.rfind(':');
    // org/name:q4_k_m names the file whose name says so.
    if (colon != std::string_view::npos && m.name.starts_with(name.substr(0, colon + 1)) &&
        m.name.substr(colon + 1).find(name.substr(colon + 1)) != std::string::npos)
      quants.push_back(&m);
  }
  if (quants.size() == 1) return quants[0]->path;
  std::string hint = models.empty() ? "; no model was found anywhere"
                                    : "; the nearest: " + nearest_names(name, models);
  if (is_there(name)) hint += "; a folder of this name is here: write ./" + escaped(name);
  fail(ErrorKind::model, "there is no model {}{}", escaped(name), hint);
}

}  // namespace r1
