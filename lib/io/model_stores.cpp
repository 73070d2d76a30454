#include "lib/io/model_stores.h"

#include <algorithm>

#include <fmt/format.h>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/paths.h"
#include "lib/base/sha256.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

// Sorted paths of a folder; none when it cannot be read.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code ignored;
  for (const fs::directory_entry& e : fs::directory_iterator(folder, ignored))
    paths.push_back(e.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

// Letters, digits and - _ . /, and no part that is empty or leads upwards.
bool is_plain_name(std::string_view name) {
  const auto odd = [](char c) {
    const bool letter = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    return !letter && c != '-' && c != '_' && c != '.' && c != '/';
  };
  if (name.empty() || name.size() > 255 || std::any_of(name.begin(), name.end(), odd)) return false;
  const std::string framed = "/" + std::string(name) + "/";
  for (const char* bad : {"//", "/./", "/../"})
    if (framed.find(bad) != std::string::npos) return false;
  return true;
}

std::uint64_t bytes_of(const fs::path& file) {
  std::error_code failed;
  const std::uint64_t size = fs::file_size(file, failed);
  return failed ? 0 : size;
}

std::uint64_t bytes_of_weights(const fs::path& folder) {
  std::uint64_t sum = 0;
  for (const fs::path& file : entries_of(folder))
    if (file.extension() == ".safetensors") sum += bytes_of(file);
  return sum;
}

void add(StoredModels& out, const std::string& name, const fs::path& path, const char* format,
         const std::string& remedy) {
  const bool folder = std::string_view(format) == "safetensors";
  const std::uint64_t size = folder ? bytes_of_weights(path) : bytes_of(path);
  out.push_back({{name, path, format, size}, remedy});
}

// --- Hugging Face --------------------------------------------------------------------------------

// A file of a snapshot is one itself, or a link to one in the blobs of its own model.
enum class Place { nowhere, missing, there };
Place place_of(const fs::path& file, const fs::path& model) {
  std::error_code failed;
  const fs::path link = fs::read_symlink(file, failed);
  if (failed) return fs::is_regular_file(file, failed) ? Place::there : Place::nowhere;
  const fs::path target = (file.parent_path() / link).lexically_normal();
  if (target.parent_path() != (model / "blobs").lexically_normal()) return Place::nowhere;
  const fs::file_status status = fs::symlink_status(target, failed);
  if (!fs::exists(status)) return Place::missing;
  return fs::is_regular_file(status) ? Place::there : Place::nowhere;
}

// Does a download of this model still lie half done in its blobs?
bool has_incomplete_blob(const fs::path& model) {
  const std::vector<fs::path> blobs = entries_of(model / "blobs");
  return std::any_of(blobs.begin(), blobs.end(),
                     [](const fs::path& p) { return p.extension() == ".incomplete"; });
}

// model-00002-of-00003.safetensors says how many there should be.
bool lacks_shards(const std::vector<fs::path>& files) {
  std::size_t shards = 0, wanted = 0;
  for (const fs::path& file : files) {
    const std::string name = file.stem().string();
    const std::size_t at = name.rfind("-of-");
    if (file.extension() != ".safetensors" || at == std::string::npos || name.size() != at + 9)
      continue;
    ++shards;
    wanted = static_cast<std::size_t>(std::atoi(name.c_str() + at + 4));
  }
  return shards < wanted;
}

void add_snapshot(StoredModels& out, const std::string& name, const fs::path& model,
                  const fs::path& snapshot) {
  std::error_code ignored;
  if (fs::is_symlink(snapshot, ignored)) return;
  const std::vector<fs::path> files = entries_of(snapshot);
  const std::string remedy = "`hf download " + name + "` completes it";
  bool has_config = false, has_weights = false, broken = lacks_shards(files);
  for (const fs::path& file : files) {
    const Place place = place_of(file, model);
    if (place == Place::nowhere) continue;
    const std::string base = file.filename().string();
    const bool there = place == Place::there;
    broken = broken || (!there && file.extension() != ".gguf");
    has_config = has_config || base == "config.json";
    has_weights = has_weights || file.extension() == ".safetensors";
    if (file.extension() == ".gguf")
      add(out, fmt::format("{}:{}", name, base), file, "gguf",
          there ? "" : fmt::format("`hf download {} {}` completes it", name, base));
  }
  broken = broken || (!has_weights && has_incomplete_blob(model));
  if (has_config) add(out, name, snapshot, "safetensors", broken ? remedy : "");
}

// The commit that a branch or tag of a model names; empty when there is none.
std::string commit_of(const fs::path& model, std::string_view revision) {
  if (is_hex(revision, 40)) return std::string(revision);
  const fs::path ref = model / "refs" / revision;
  std::error_code ignored;
  if (!fs::is_regular_file(ref, ignored)) return {};
  try {
    std::string commit = read_file(ref, 4096);
    while (!commit.empty() && (commit.back() == '\n' || commit.back() == ' ')) commit.pop_back();
    return is_hex(commit, 40) ? commit : std::string();
  } catch (const Error&) {
    return {};  // what cannot be read hides its own model and no other
  }
}

// The snapshot that refs/main names, else the last one there is.
fs::path snapshot_of(const fs::path& model) {
  const std::string commit = commit_of(model, "main");
  if (!commit.empty() && is_there(model / "snapshots" / commit))
    return model / "snapshots" / commit;
  fs::path last;
  for (const fs::path& snapshot : entries_of(model / "snapshots"))
    if (is_hex(snapshot.filename().string(), 40)) last = snapshot;
  return last;
}

// --- ollama --------------------------------------------------------------------------------------

// The model layer's file of a manifest; nothing when it names none.
std::string blob_of(const fs::path& manifest) {
  const std::string where = manifest.string();
  const Json json = parse_json(read_file(manifest, 1 << 20), where);
  for (const Json& layer : json.at("layers", where).array(where)) {
    if (layer.at("mediaType", where).string(where) != "application/vnd.ollama.image.model")
      continue;
    const std::string& digest = layer.at("digest", where).string(where);
    if (digest.starts_with("sha256:") && is_hex(std::string_view(digest).substr(7), 64))
      return "sha256-" + digest.substr(7);
  }
  return {};
}

void add_tag(StoredModels& out, const fs::path& store, const std::string& name,
             const fs::path& manifest) {
  try {
    const std::string blob = blob_of(manifest);
    if (blob.empty()) return;
    const fs::path path = store / "blobs" / blob;
    const std::string tagged = name + ":" + manifest.filename().string();
    add(out, "ollama:" + tagged, path, "gguf",
        is_there(path) ? "" : "`ollama pull " + tagged + "` completes it");
  } catch (const Error&) {
    // A manifest that is not read hides its own model and no other.
  }
}

}  // namespace

void add_folder(StoredModels& out, const fs::path& folder) {
  for (const fs::path& path : entries_of(folder)) {
    constexpr std::string_view kPart = ".downloadInProgress";  // of llama.cpp
    const std::string name = path.filename().string();
    if (path.extension() == ".gguf")
      add(out, path.stem().string(), path, "gguf", is_there(path) ? "" : "its link leads nowhere");
    else if (name.ends_with(".gguf" + std::string(kPart)))
      add(out, name.substr(0, name.size() - kPart.size() - 5), path, "gguf",
          "its download broke off; download it again");
    else if (is_there(path / "config.json"))
      add(out, name, path, "safetensors", "");
  }
}

void add_hugging_face(StoredModels& out, const fs::path& hub) {
  for (const fs::path& model : entries_of(hub)) {
    std::string name = model.filename().string();
    if (!name.starts_with("models--")) continue;
    name.erase(0, 8);
    if (const std::size_t at = name.find("--"); at != std::string::npos) name.replace(at, 2, "/");
    if (!is_plain_name(name)) continue;
    const fs::path snapshot = snapshot_of(model);
    if (!snapshot.empty()) add_snapshot(out, name, model, snapshot);
  }
}

void add_revision(StoredModels& out, const fs::path& hub, std::string_view model,
                  std::string_view revision) {
  if (!is_plain_name(model) || !is_plain_name(revision))
    fail(ErrorKind::model, "{}@{} is no name of a model and a revision", escaped(model),
         escaped(revision));
  std::string folder = "models--" + std::string(model);
  if (const std::size_t at = folder.find('/'); at != std::string::npos) folder.replace(at, 1, "--");
  if (folder.find('/') != std::string::npos) return;
  const std::string commit = commit_of(hub / folder, revision);
  const fs::path snapshot = hub / folder / "snapshots" / commit;
  if (!commit.empty() && is_there(snapshot))
    add_snapshot(out, std::string(model), hub / folder, snapshot);
}

void add_ollama(StoredModels& out, const fs::path& store) {
  for (const fs::path& host : entries_of(store / "manifests"))
    for (const fs::path& owner : entries_of(host))
      for (const fs::path& name : entries_of(owner)) {
        const bool library = owner.filename() == "library";
        const std::string title =
            (library ? "" : owner.filename().string() + "/") + name.filename().string();
        for (const fs::path& tag : entries_of(name)) add_tag(out, store, title, tag);
      }
}

void add_lm_studio(StoredModels& out, const fs::path& store) {
  for (const fs::path& publisher : entries_of(store))
    for (const fs::path& model : entries_of(publisher))
      for (const fs::path& file : entries_of(model))
        if (file.extension() == ".gguf")
          add(out,
              fmt::format("{}/{}:{}", publisher.filename().string(), model.filename().string(),
                          file.filename().string()),
              file, "gguf", is_there(file) ? "" : "its link leads nowhere");
}

std::string fetch_command(std::string_view name, std::string_view revision) {
  constexpr std::string_view kOllama = "ollama:";
  if (name.starts_with(kOllama)) {
    std::string title(name.substr(kOllama.size()));
    const std::string command = "ollama pull " + title;
    if (const std::size_t at = title.rfind(':'); at != std::string::npos) title[at] = '/';
    return is_plain_name(title) && title[0] != '-' ? command : std::string();
  }
  const bool named =
      is_plain_name(name) && name[0] != '-' && std::count(name.begin(), name.end(), '/') == 1;
  if (!named) return {};
  const std::string command = "hf download " + std::string(name);
  return revision.empty() ? command : command + " --revision " + std::string(revision);
}

}  // namespace r1
