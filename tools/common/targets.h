#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace r1 {

struct TargetOptions {
  std::string folder;              // -O; empty: not asked for
  bool sidecars = false;           // -w
  std::string ending = ".txt";     // --sidecar-ext
  std::string if_exists = "skip";  // skip, overwrite, append, prepend, error
};

// Where results go when each named input gets a file of its own.
class Targets {
 public:
  explicit Targets(TargetOptions options) : options_(std::move(options)) {}

  bool wanted() const { return options_.sidecars || !options_.folder.empty(); }
  // The file for the result of `input`. Fails with `usage` when there is none: standard input has
  // no name, an earlier input has the same file, it is something that is read, or it exists and
  // that is an error.
  std::filesystem::path claim(const std::string& input);
  // Could a result stand where something was before?
  bool may_replace() const;
  // Here other results go.
  void take(const std::vector<std::filesystem::path>& places);
  // No result replaces this file, which is read, under whatever name.
  void keep(const std::string& input);
  // What an earlier run stored for `input` belongs to it.
  void reserve(const std::string& input);
  std::filesystem::path place_of(const std::string& input) const;  // not claimed
  bool skips(const std::filesystem::path& target) const;
  // The file appears whole. Folders below -O are made, and entered through no link.
  void write(const std::filesystem::path& target, std::string_view text) const;

 private:
  static std::filesystem::path key_of(const std::filesystem::path& target);
  bool is_kept(const std::filesystem::path& target) const;
  void check_replaced(const std::filesystem::path& target) const;

  TargetOptions options_;
  std::set<std::filesystem::path> claimed_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> kept_;  // device and inode
  std::map<std::filesystem::path, std::string> reserved_;   // for which input
};

// `input` below a folder: a relative name stays as it is; an absolute one, or one with "..", is
// made absolute first and loses its leading slash. So no name leads out of the folder.
std::filesystem::path rerooted(const std::string& input);

}  // namespace r1
