#pragma once

#include <filesystem>
#include <string>

#include "lib/io/model_dir.h"

namespace r1 {

inline constexpr const char* kShippedModel = "r1-plus-mini";  // where none is named

// Where this process looks for models: `model_path` (folders separated by colons), what is shipped
// beside the executable, and the stores that the environment names.
ModelPlaces model_places(const std::string& model_path);
// The folder of pretokenizers.json: installed beside the executable, or the source's.
std::filesystem::path data_folder();
// What records call a model with what it was taught: "NAME+ADAPTER"; NAME where there is none.
std::string adapted_name(const std::string& model, const std::string& adapter);
// Likewise of digests; reads all of the adapter.
std::string adapted_digest(const std::string& model, const std::string& adapter);
// What --list-models prints.
std::string model_list(const ModelPlaces& places, bool json);

}  // namespace r1
