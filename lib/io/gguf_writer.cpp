
#include "lib/base/error.h"
#include "lib/io/gguf.h"

namespace r1 {
namespace {

// Collects the header: little-endian values one after the other.
class Header {
 public:
  template <typename T>
  void number(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void string(std::string_view s) {
    number(std::uint64_t{s.size()});
    text_ += s;
  }
  void entry(const GgufEntry& entry) {
    std::visit([this](const auto& value) { typed(value); }, entry);
  }
  std::string& text() { return text_; }

 private:
  static std::uint32_t type_of(std::uint16_t) { return 2; }
  static std::uint32_t type_of(std::uint32_t) { return 4; }
  static std::uint32_t type_of(std::int32_t) { return 5; }
  static std::uint32_t type_of(float) { return 6; }
  static std::uint32_t type_of(bool) { return 7; }
  static std::uint32_t type_of(const std::string&) { return 8; }
  static std::uint32_t type_of(std::uint64_t) { return 10; }
  static std::uint32_t type_of(const GgufRaw& value) { return value.type; }

  void plain(const std::string& value) { string(value); }
  void plain(const GgufRaw& value) { text_ += as_text(value.bytes); }
  void plain(bool value) { number(static_cast<std::uint8_t>(value)); }
  template <typename T>
  void plain(T value) {
    number(value);
  }
  template <typename T>
  void typed(const T& value) {
    number(type_of(value));
    plain(value);
  }
  template <typename T>
  void typed(const std::vector<T>& values) {
    constexpr std::uint32_t kArray = 9;
    number(kArray);
    number(type_of(T{}));
    number(std::uint64_t{values.size()});
    for (const T& value : values) plain(value);
  }

  std::string text_;
};

}  // namespace

std::string_view gguf_padding(std::size_t bytes) {
  static constexpr char kZeros[kGgufAlignment] = {};
  return {kZeros, (kGgufAlignment - bytes % kGgufAlignment) % kGgufAlignment};
}

std::string gguf_header(const GgufMetadata& metadata, const std::vector<NamedTensor>& tensors) {
  Header header;
  header.text() += "GGUF";
  header.number(std::uint32_t{3});
  header.number(std::uint64_t{tensors.size()});
  header.number(std::uint64_t{metadata.size()});
  for (const auto& [key, entry] : metadata) {
    header.string(key);
    header.entry(entry);
  }
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    header.string(name);
    header.number(static_cast<std::uint32_t>(tensor.shape.rank()));
    for (int i = tensor.shape.rank() - 1; i >= 0; --i)
      header.number(static_cast<std::uint64_t>(tensor.shape[i]));
    header.number(gguf_type_number(tensor.dtype));
    header.number(offset);
    offset += tensor.bytes() + gguf_padding(tensor.bytes()).size();
  }
  header.text() += gguf_padding(header.text().size());
  return std::move(header.text());
}

void write_gguf(Output& out, const GgufMetadata& metadata,
                const std::vector<NamedTensor>& tensors) {
  out.write(gguf_header(metadata, tensors));
  for (const auto& [name, tensor] : tensors) {
    out.write({static_cast<const char*>(tensor.data), tensor.bytes()});
    out.write(gguf_padding(tensor.bytes()));
  }
}

}  // namespace r1
