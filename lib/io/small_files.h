#pragma once

#include <filesystem>
#include <vector>

namespace r1 {

// Tokenizer, template, licence … of a model's folder, by the names that they have in one: no
// weights, nothing that says how those are stored, and nothing else that lies there.
std::vector<std::filesystem::path> small_files(const std::filesystem::path& folder);

bool is_small_file(const std::string& name);  // is it one of these, by its name?
// Those that say how text is read and written.
std::vector<std::filesystem::path> text_files(const std::filesystem::path& folder);

// Writes them into a folder that is there, byte for byte. Fails with `limit` for one over 1 GiB.
void copy_small_files(const std::vector<std::filesystem::path>& files,
                      const std::filesystem::path& folder);

}  // namespace r1
