#pragma once

#include <filesystem>

namespace r1 {

// What cannot be looked at is not there: neither of them throws.
bool is_there(const std::filesystem::path& path);  // what a link leads to
bool is_taken(const std::filesystem::path& path);  // a link that leads nowhere counts too

// Do both names lead to one file or folder, or would they if it were there?
bool is_same_place(const std::filesystem::path& a, const std::filesystem::path& b);

// A folder's name with and without a slash behind it is the same.
std::filesystem::path without_slash(const std::filesystem::path& path);

// Exchanges `from` with `to`, or gives it that name where there is none; false: errno says why not.
bool take_place(const std::filesystem::path& from, const std::filesystem::path& to);
// What a folder's entries are called is on the disk then, as far as that can be had.
void sync_folder(const std::filesystem::path& folder);

}  // namespace r1
