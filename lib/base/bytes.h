#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

using ByteSpan = std::span<const std::byte>;

// A whole file as one span of bytes: mapped read-only, or read when it cannot be mapped.
// Owns the mapping. A file that shrinks while it is mapped ends the process with one line and
// status 3, not with SIGBUS (`guard_mappings`).
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path, bool use_mmap = true);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  ByteSpan bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }
  // The pages of `part` are not needed soon: the kernel may drop them from memory.
  void release(ByteSpan part) const;

 private:
  std::filesystem::path path_;
  ByteSpan bytes_;
  bool mapped_ = false;
  std::vector<std::byte> copy_;
};

// Installs the SIGBUS handler that MappedFile promises. Tools call it once at start.
void guard_mappings(std::string_view tool_name);

// A small file (text, JSON) as a string. Fails with not_found, perm, limit.
std::string read_file(const std::filesystem::path& path, std::size_t most = std::size_t{256} << 20);

inline std::string_view as_text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline ByteSpan as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace r1
