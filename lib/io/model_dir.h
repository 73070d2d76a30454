#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

// The variables of the environment that say where programs keep models.
inline constexpr const char* kModelVariables[] = {
    "HOME",    "XDG_CACHE_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE",
    "HF_HOME", "LLAMA_CACHE",    "OLLAMA_MODELS"};

// Where models are looked for, in the order of r1-model(5). All read-only.
struct ModelPlaces {
  std::vector<std::filesystem::path> model_path;  // --model-path or R1_MODEL_PATH
  std::filesystem::path shipped;                  // ../share/r1/models beside the executable
  std::map<std::string, std::string, std::less<>> environment;  // kModelVariables, as given
};

struct ModelEntry {
  std::string name;  // what `-m` takes
  std::filesystem::path path;
  std::string format;  // "gguf" or "safetensors"
  std::uint64_t bytes = 0;
};

// Every model that a name can reach, sorted by name; half downloads and empty files are left out.
// Opens no model file.
std::vector<ModelEntry> list_models(const ModelPlaces& places);

// A path (starts with /, ./, ../ or ends in .gguf, without a colon) as it is; else a name
// `org/name[@revision][:file-or-quant]`, `ollama:name:tag` or that of a shipped model.
// Fails with `model`: the nearest names, `./name` if that exists, else what would fetch it; with
// `truncated` for a download that broke off, and says what completes it.
std::filesystem::path find_model(std::string_view name, const ModelPlaces& places);

}  // namespace r1
