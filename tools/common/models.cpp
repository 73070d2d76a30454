#include "tools/common/models.h"

#include <sstream>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/paths.h"
#include "lib/models/adapter.h"
#include "tools/common/ui.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

// `installed` beside the executable's folder, or `in_source` when it runs from a build folder.
fs::path beside_executable(const char* installed, const char* in_source) {
  std::error_code failed;
  const fs::path folder = fs::read_symlink("/proc/self/exe", failed).parent_path();
  fs::path place = (folder / ".." / installed).lexically_normal();
  if (fs::exists(place, failed)) return place;
  return (folder / "../../.." / in_source).lexically_normal();  // build/PRESET/bin
}

}  // namespace

ModelPlaces model_places(const std::string& model_path) {
  ModelPlaces places;
  std::istringstream folders(model_path);
  for (std::string folder; std::getline(folders, folder, ':');)
    if (!folder.empty()) places.model_path.emplace_back(folder);
  places.shipped = beside_executable("share/r1/models", "models");
  for (const char* name : kModelVariables) places.environment[name] = environment(name);
  return places;
}

fs::path data_folder() { return beside_executable("share/r1", "share"); }

std::string adapted_name(const std::string& model, const std::string& adapter) {
  return adapter.empty() ? model : model + "+" + without_slash(adapter).filename().string();
}

std::string adapted_digest(const std::string& model, const std::string& adapter) {
  return adapter.empty() ? model : model + "+" + Adapter::digest_of(adapter);
}

std::string model_list(const ModelPlaces& places, bool json) {
  std::string lines;
  JsonWriter w;
  w.begin_array();
  for (const ModelEntry& m : list_models(places)) {
    lines += escaped(m.name) + "\n";
    w.begin_object().key("name").string(m.name).key("path").string(m.path.string());
    w.key("format")
        .string(m.format)
        .key("bytes")
        .integer(static_cast<std::int64_t>(m.bytes))
        .end_object();
  }
  return json ? w.end_array().text() + "\n" : lines;
}

}  // namespace r1
