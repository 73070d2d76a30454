#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "lib/io/model_dir.h"

// What each kind of store on disk has: from its folders' names alone, but for ollama's manifests.
// Everything there is foreign: a name that no such store gives is not followed.
namespace r1 {

// A model of a store; `remedy` is empty, or what makes a broken-off download whole.
struct StoredModel {
  ModelEntry entry;
  std::string remedy;
};
using StoredModels = std::vector<StoredModel>;

// GGUF files by their stem, and folders with a config.json by their name: --model-path, the shipped
// models, llama.cpp's cache.
void add_folder(StoredModels& out, const std::filesystem::path& folder);

// A Hugging Face hub: models--ORG--NAME/snapshots/COMMIT/…, where files are links into blobs/.
void add_hugging_face(StoredModels& out, const std::filesystem::path& hub);
// One model of it at a branch, tag or commit. Fails with `model` for what can be none.
void add_revision(StoredModels& out, const std::filesystem::path& hub, std::string_view model,
                  std::string_view revision);

// manifests/HOST/OWNER/NAME/TAG, whose model layer names a file of blobs/.
void add_ollama(StoredModels& out, const std::filesystem::path& store);

// PUBLISHER/MODEL/FILE.gguf
void add_lm_studio(StoredModels& out, const std::filesystem::path& store);

// What a person may run to get a model of this name, ORG/NAME or ollama:NAME:TAG; empty for
// another. `revision`: empty for the one in force.
std::string fetch_command(std::string_view name, std::string_view revision);

}  // namespace r1
