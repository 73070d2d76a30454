#include "lib/train/checkpoint.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <limits>

#include <fmt/format.h>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/output.h"
#include "lib/base/paths.h"
#include "lib/base/sha256.h"
#include "lib/base/write_file.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";
constexpr const char* kState = "state.safetensors";
constexpr const char* kManifest = "manifest.json";

std::string name_of(std::int64_t step) { return fmt::format("{}{:08}", kPrefix, step); }

// The folders of checkpoints in one, the newest first: names have eight digits or more.
std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  const fs::directory_iterator entries(folder, error);
  if (error == std::errc::permission_denied)
    fail(ErrorKind::perm, "{}: {}", escaped(folder.string()), error.message());
  for (const fs::directory_entry& entry : entries)
    if (entry.path().filename().string().starts_with(kPrefix)) found.push_back(entry.path());
  std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
    const std::size_t digits = a.native().size(), others = b.native().size();
    return digits != others ? digits > others : a > b;
  });
  return found;
}

// A checkpoint itself, or those in a folder.
std::vector<fs::path> to_read(const fs::path& folder) {
  if (is_there(folder / kManifest)) return {folder};
  return folders_in(folder);
}

// The two files alone: whatever else lies there is somebody's.
void remove_checkpoint(const fs::path& folder) {
  std::error_code none;
  for (const char* name : {kManifest, kState}) fs::remove(folder / name, none);
  fs::remove(folder, none);
}

// A checkpoint that is being written, in a place of its own: what is there under its name stays
// until it is whole, and nothing stays where it does not become so.
class Unfinished {
 public:
  explicit Unfinished(const fs::path& folder) : path_(folder / "step.partial") {
    remove_checkpoint(path_);
    std::error_code error;
    fs::create_directories(path_, error);
    if (error) fail(ErrorKind::write, "{}: {}", escaped(path_.string()), error.message());
  }
  ~Unfinished() { remove_checkpoint(path_); }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

  const fs::path& path() const { return path_; }
  void become(const fs::path& to) const {
    sync_folder(path_);
    if (!take_place(path_, to))
      fail(ErrorKind::write, "{}: {}", escaped(to.string()), std::strerror(errno));
    sync_folder(to.parent_path());
  }

 private:
  fs::path path_;
};

// What cannot be looked at just now may be whole.
void pass_over(const Error& e) {
  constexpr ErrorKind kDamage[] = {ErrorKind::format, ErrorKind::truncated, ErrorKind::decode,
                                   ErrorKind::limit, ErrorKind::not_found};
  if (std::find(std::begin(kDamage), std::end(kDamage), e.kind()) == std::end(kDamage)) throw;
}

struct Manifest {
  Recipe recipe;
  std::string sha256;
  Checkpoints::Progress progress;
};

std::optional<Manifest> read_manifest(const fs::path& folder) {
  try {
    const std::string name = (folder / kManifest).string();
    const Json json = parse_json(read_file(name), name);
    const Json& recipe = json.at("recipe", name);
    const auto part = [&](const char* key) { return recipe.at(key, name).string(name); };
    Manifest m{
        {part("model"), part("data"), part("options")}, json.at("sha256", name).string(name), {}};
    m.progress.step = json.at("step", name).integer(name);
    if (folder.filename() != name_of(m.progress.step)) return std::nullopt;
    for (const auto& [key, value] : json.at("numbers", name).object(name))
      m.progress.numbers[key] =  // null: it was not finite
          value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.number(name);
    return m;
  } catch (const Error& e) {
    pass_over(e);
    return std::nullopt;
  }
}

void want_recipe(const fs::path& folder, const Recipe& was, const Recipe& is) {
  const auto want = [&](const std::string& before, const std::string& now, const char* what) {
    if (!now.empty() && now != before)
      fail(ErrorKind::usage, "{} was begun with {}", escaped(folder.string()), what);
  };
  want(was.model, is.model, "another model, or other weights of it");
  want(was.data, is.data, "other data");
  want(was.options, is.options, "other options");
}

// False where the file is not what was written; then all is as it was.
bool read_state(Backend& backend, const fs::path& path, const std::string& sha256,
                const std::vector<NamedTensor>& state) {
  try {
    const MappedFile file(path);
    if (sha256_hex(file) != sha256) return false;
    const SafetensorsFile found = parse_safetensors(file.bytes(), path.string());
    std::vector<const void*> values;
    for (const NamedTensor& want : state) {
      const auto is = [&](const NamedTensor& t) { return t.name == want.name; };
      const auto at = std::find_if(found.tensors.begin(), found.tensors.end(), is);
      if (at == found.tensors.end() || at->tensor.shape != want.tensor.shape ||
          at->tensor.dtype != want.tensor.dtype)
        return false;
      values.push_back(at->tensor.data);
    }
    for (std::size_t i = 0; i < state.size(); ++i)
      backend.copy_from_host(state[i].tensor, values[i]);
    return true;
  } catch (const Error& e) {
    pass_over(e);
    return false;
  }
}

// What stands behind `newest` was passed over: it is damaged.
void remove_later(const fs::path& folder, const fs::path& newest) {
  for (const fs::path& other : folders_in(folder)) {
    if (other == newest) return;
    remove_checkpoint(other);
  }
}

// Of `newest` and those before it so many whole ones stay; 0: all.
void remove_older(const fs::path& folder, const fs::path& newest, std::int64_t keep) {
  if (keep == 0) return;
  const std::vector<fs::path> all = folders_in(folder);
  std::int64_t whole = 0;
  for (auto at = std::find(all.begin(), all.end(), newest); at != all.end(); ++at)
    if (!read_manifest(*at) || ++whole > keep) remove_checkpoint(*at);
}

}  // namespace

void Checkpoints::save(Backend& backend, const Progress& progress,
                       const std::vector<NamedTensor>& state) const {
  const fs::path to = folder / name_of(progress.step);
  const Unfinished made(folder);
  std::vector<NamedTensor> labels = state;
  std::vector<std::vector<std::byte>> values;
  for (NamedTensor& t : labels) {
    values.emplace_back(t.tensor.bytes());
    backend.copy_to_host(values.back().data(), t.tensor);
    t.tensor = {values.back().data(), t.tensor.shape, t.tensor.dtype};
  }
  const auto out = open_file(made.path() / kState);
  write_safetensors(*out, labels, {});
  out->close();
  JsonWriter w;
  w.begin_object().key("schema").string("r1.checkpoint/1").key("step").integer(progress.step);
  w.key("recipe").begin_object().key("model").string(recipe.model).key("data").string(recipe.data);
  w.key("options").string(recipe.options).end_object();
  w.key("sha256").string(sha256_hex(MappedFile(made.path() / kState)));
  w.key("numbers").begin_object();
  for (const auto& [key, number] : progress.numbers) w.key(key).number(number);
  w.end_object();
  write_file(made.path() / kManifest, w.end_object().text() + "\n");
  made.become(to);
  remove_later(folder, to);
  remove_older(folder, to, keep);
}

std::optional<Checkpoints::Progress> Checkpoints::load(Backend& backend,
                                                       const std::vector<NamedTensor>& state,
                                                       std::vector<std::string>& damaged) const {
  for (const fs::path& from : to_read(folder)) {
    const std::optional<Manifest> manifest = read_manifest(from);
    if (manifest) want_recipe(from, manifest->recipe, recipe);
    if (manifest && read_state(backend, from / kState, manifest->sha256, state)) {
      remove_older(folder, from, keep);  // a run was killed before it did
      return manifest->progress;
    }
    damaged.push_back(from.string());
  }
  return std::nullopt;
}

std::optional<Checkpoints::Label> Checkpoints::newest() const {
  for (const fs::path& from : to_read(folder))
    if (const std::optional<Manifest> manifest = read_manifest(from))
      return Label{manifest->progress.step, manifest->recipe};
  return std::nullopt;
}

std::uint64_t Checkpoints::bytes() const {
  std::uint64_t bytes = 0;
  std::error_code none;
  for (const fs::path& old : folders_in(folder))
    if (const std::uint64_t size = fs::file_size(old / kState, none); !none) bytes += size;
  return bytes;
}

void Checkpoints::remove_all() const {
  for (const fs::path& old : folders_in(folder)) remove_checkpoint(old);
}

}  // namespace r1
