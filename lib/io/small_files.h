#pragma once

#include <filesystem>
#include <vector>

namespace r1 {

// Tokenizer, template, licence … of a model's folder, by name: what is no weight, and says nothing
// of how those are stored.
std::vector<std::filesystem::path> small_files(const std::filesystem::path& folder);

// Writes them into a folder that is there, byte for byte. Fails with `limit` for one over 1 GiB.
void copy_small_files(const std::vector<std::filesystem::path>& files,
                      const std::filesystem::path& folder);

}  // namespace r1
