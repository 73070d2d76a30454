#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/output.h"
#include "lib/io/converted_type.h"
#include "lib/io/safetensors.h"

namespace r1 {

// The number of a type in a file. Fails with `internal` for one that GGUF does not have.
std::uint32_t gguf_type_number(DType dtype);

// An array of whole numbers or of f64 as it lies in the file: kept so, a u8 takes no 8 bytes.
struct GgufNumbers {
  std::uint32_t type = 0;  // of GGUF
  ByteSpan bytes;
};

// A metadata value. Integers of all widths become int64 or uint64, f32 and f64 become double.
// Strings are views of the file's own bytes.
struct GgufValue {
  using Strings = std::vector<std::string_view>;
  std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view, std::vector<bool>,
               std::vector<float>, GgufNumbers, Strings>
      value;
};

// A value's bytes: what stands behind its type.
struct GgufRaw {
  std::uint32_t type = 0;  // of GGUF
  ByteSpan bytes;
};

// A tensor of a type that becomes another as it is read.
struct ConvertedTensor {
  std::string name;
  Shape shape;  // outermost first
  const ConvertedType* type = nullptr;
  ByteSpan blocks;
};

// A GGUF v3 file, read strictly: every length is held against what remains, every number against
// its limit. Views and tensors point into `file`.
class GgufFile {
 public:
  enum class Types { computed_in, converted_too };  // others are refused
  static GgufFile parse(ByteSpan file, std::string_view name, Types types = Types::computed_in);

  const std::string& name() const { return name_; }
  const std::vector<NamedTensor>& tensors() const { return tensors_; }  // shapes outermost first
  const std::vector<ConvertedTensor>& converted() const { return converted_; }  // beside those
  const std::vector<std::string>& names() const { return names_; }  // of both, as in the file
  std::size_t header_bytes() const { return header_bytes_; }        // before the data
  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  // The same pairs in the order of the file, as they lie there.
  const std::vector<std::pair<std::string, GgufRaw>>& raw_metadata() const { return raw_; }

  // Nothing when the key is absent; `model` error that names key and type when it is another type.
  const GgufValue* find(std::string_view key) const;
  std::optional<std::string_view> string(std::string_view key) const;
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  const GgufValue::Strings* strings(std::string_view key) const;
  const std::vector<float>* floats(std::string_view key) const;
  std::optional<std::vector<std::int64_t>> integers(std::string_view key) const;

 private:
  std::string name_;
  std::vector<NamedTensor> tensors_;
  std::vector<ConvertedTensor> converted_;
  std::vector<std::string> names_;
  std::size_t header_bytes_ = 0;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<std::pair<std::string, GgufRaw>> raw_;
};

// What a writer puts in: the exact stored type of each number is kept.
using GgufEntry = std::variant<std::uint16_t, std::uint32_t, std::int32_t, std::uint64_t, float,
                               bool, std::string, std::vector<std::string>, std::vector<float>,
                               std::vector<std::int32_t>, GgufRaw>;
using GgufMetadata = std::vector<std::pair<std::string, GgufEntry>>;

// Where tensors may begin in what is written here, and in files that do not say, in bytes.
inline constexpr std::uint32_t kGgufAlignment = 32;

// A file is its header, then the tensors in order, each followed by gguf_padding(its bytes). The
// tensors' data is not looked at.
std::string gguf_header(const GgufMetadata& metadata, const std::vector<NamedTensor>& tensors);
std::string_view gguf_padding(std::size_t bytes);  // zeros
void write_gguf(Output& out, const GgufMetadata& metadata, const std::vector<NamedTensor>& tensors);

}  // namespace r1
