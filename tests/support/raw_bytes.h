#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/resource.h>

// Files put together from parts, so that each part can lie.
namespace r1::test {

template <typename T>
std::string le(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
inline std::string u32(std::uint64_t n) { return le(static_cast<std::uint32_t>(n)); }
inline std::string u64(std::uint64_t n) { return le(n); }
inline std::string str(std::string_view text) { return u64(text.size()) + std::string(text); }

// A GGUF v3 file: what is not set is true.
struct RawGguf {
  std::string start = "GGUF" + u32(3);
  std::vector<std::string> pairs, tensors;
  std::string data;
  std::size_t alignment = 32;
  std::string counts = {};  // in place of the true ones

  std::string bytes() const {
    std::string out = start + (counts.empty() ? u64(tensors.size()) + u64(pairs.size()) : counts);
    for (const std::string& pair : pairs) out += pair;
    for (const std::string& tensor : tensors) out += tensor;
    if (!data.empty()) out.append((alignment - out.size() % alignment) % alignment, '\0');
    return out + data;
  }
};
inline std::string gguf_pair(std::string_view key, std::uint32_t type, const std::string& value) {
  return str(key) + u32(type) + value;
}
inline std::string gguf_tensor(std::string_view name, const std::vector<std::uint64_t>& dims,
                               std::uint32_t type, std::uint64_t offset) {
  std::string out = str(name) + u32(dims.size());
  for (const std::uint64_t n : dims) out += u64(n);
  return out + u32(type) + u64(offset);
}

// A safetensors file of this header and so many bytes of data.
inline std::string raw_safetensors(const std::string& header, std::size_t bytes) {
  return u64(header.size()) + header + std::string(bytes, 'x');
}

// Protocol buffers: a varint, a field of bytes, of a float, of a number.
inline std::string varint(std::uint64_t n) {
  std::string out;
  for (; n >= 0x80; n >>= 7) out += static_cast<char>(n | 0x80);
  return out + static_cast<char>(n);
}
inline std::string proto_bytes(std::uint64_t field, const std::string& content) {
  return varint(field << 3 | 2) + varint(content.size()) + content;
}
inline std::string proto_float(std::uint64_t field, float value) {
  return varint(field << 3 | 5) + le(value);
}
inline std::string proto_number(std::uint64_t field, std::uint64_t value) {
  return varint(field << 3) + varint(value);
}

// The most memory this process has had, in bytes.
inline std::size_t peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}
constexpr std::size_t kFewBytes = std::size_t{64} << 20;  // what refusing a small file may take

}  // namespace r1::test
