#include "lib/io/safetensors.h"

#include <algorithm>

#include <fmt/format.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"
#include "lib/base/json.h"

namespace r1 {
namespace {

constexpr std::uint64_t kMostHeader = 100'000'000;
constexpr std::size_t kMostTensors = 262'144;
constexpr std::size_t kLongestName = 1024;

struct FormatType {
  std::string_view name;
  DType dtype;
};
constexpr FormatType kTypes[] = {{"F32", DType::f32},        {"F16", DType::f16},
                                 {"BF16", DType::bf16},      {"I32", DType::i32},
                                 {"I64", DType::i64},        {"F8_E4M3", DType::f8_e4m3},
                                 {"F8_E5M2", DType::f8_e5m2}};

// A tensor of the header, and where it lies in the data.
struct Entry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape = {};
  std::uint64_t begin = 0, end = 0;
};

class Parser {
 public:
  Parser(ByteSpan file, std::string_view name) : file_(file), name_(escaped(name)) {}

  SafetensorsFile parse() {
    const Json header = read_header();
    SafetensorsFile out;
    std::vector<Entry> entries;
    for (const auto& [key, value] : header.object(name_)) {
      if (key == "__metadata__")
        read_metadata(out.metadata, value);
      else
        entries.push_back(read_entry(key, value));
    }
    if (entries.size() > kMostTensors)
      fail(ErrorKind::limit, "{} has {} tensors; at most {} are read", name_, entries.size(),
           kMostTensors);
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return a.begin < b.begin || (a.begin == b.begin && a.end < b.end);
    });
    place(out, entries);
    return out;
  }

 private:
  Json read_header() {
    ByteReader reader(file_, name_);
    const auto length = reader.read<std::uint64_t>();
    if (length < 2 || length > kMostHeader)
      fail(ErrorKind::decode, "{} says its header has {} bytes", name_, length);
    const std::string_view text = as_text(reader.take(length));
    if (text.front() != '{')
      fail(ErrorKind::decode, "{}: the header does not begin with {{", name_);
    const std::size_t last = text.find_last_not_of(' ');
    if (text[last] != '}') fail(ErrorKind::decode, "{}: the header does not end with }}", name_);
    data_ = file_.subspan(8 + length);
    return parse_json(text.substr(0, last + 1), name_ + " header");
  }

  void read_metadata(std::map<std::string, std::string>& out, const Json& value) const {
    for (const auto& [key, text] : value.object(name_ + ": __metadata__"))
      out[key] = text.string(name_ + ": __metadata__ " + key);
  }

  Entry read_entry(const std::string& name, const Json& value) const {
    const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (name.empty() || name.size() > kLongestName ||
        std::any_of(name.begin(), name.end(), control))
      fail(ErrorKind::decode, "{} has a tensor with the name '{}'", name_, escaped(name));
    const std::string where = fmt::format("{}: {}", name_, escaped(name));
    if (value.object(where).size() != 3)
      fail(ErrorKind::decode, "{} has other members than dtype, shape and data_offsets", where);
    Entry entry{.name = name};
    entry.dtype = read_type(value.at("dtype", where).string(where), where);
    entry.shape = read_shape(value.at("shape", where).array(where), where);
    const Json::Array& offsets = value.at("data_offsets", where).array(where);
    if (offsets.size() != 2) fail(ErrorKind::decode, "{}: data_offsets are not two numbers", where);
    entry.begin = whole(offsets[0], where);
    entry.end = whole(offsets[1], where);
    const std::uint64_t bytes = checked_mul(static_cast<std::uint64_t>(entry.shape.elements()),
                                            block_bytes(entry.dtype), where);
    if (entry.begin > entry.end || entry.end - entry.begin != bytes)
      fail(ErrorKind::decode, "{}: data_offsets {} to {} do not hold {} of {}", where, entry.begin,
           entry.end, to_string(entry.shape), to_string(entry.dtype));
    if (entry.end > data_.size())
      fail(ErrorKind::truncated, "{} ends at byte {} of the data, which has {}", where, entry.end,
           data_.size());
    return entry;
  }

  static DType read_type(const std::string& type, const std::string& where) {
    for (const FormatType& t : kTypes)
      if (t.name == type) return t.dtype;
    fail(ErrorKind::format, "{} has the type {}, which is not read", where, escaped(type));
  }

  static std::uint64_t whole(const Json& number, const std::string& where) {
    const std::int64_t n = number.integer(where);
    if (n < 0) fail(ErrorKind::decode, "{} has the number {}", where, n);
    return static_cast<std::uint64_t>(n);
  }

  static Shape read_shape(const Json::Array& dims, const std::string& where) {
    if (dims.size() > 4) fail(ErrorKind::format, "{} has {} dimensions", where, dims.size());
    std::int64_t d[4] = {};
    std::uint64_t product = 1;
    for (std::size_t i = 0; i < dims.size(); ++i) {
      const std::uint64_t n = whole(dims[i], where);
      d[i] = static_cast<std::int64_t>(n);
      product = checked_mul(product, n, where);
    }
    if (product > std::uint64_t{1} << 62) fail(ErrorKind::decode, "{} is too large", where);
    switch (dims.size()) {
      case 0:
        return {1};
      case 1:
        return {d[0]};
      case 2:
        return {d[0], d[1]};
      case 3:
        return {d[0], d[1], d[2]};
      default:
        return {d[0], d[1], d[2], d[3]};
    }
  }

  // No hole, no overlap, nothing behind the last: a file cannot be two formats at once.
  void place(SafetensorsFile& out, const std::vector<Entry>& entries) const {
    std::uint64_t at = 0;
    for (const Entry& e : entries) {
      if (e.begin != at)
        fail(ErrorKind::decode, "{}: {} begins at byte {} of the data, not at {}", name_,
             escaped(e.name), e.begin, at);
      at = e.end;
    }
    if (at != data_.size())
      fail(ErrorKind::decode, "{} has {} bytes behind its last tensor", name_, data_.size() - at);
    for (const Entry& e : entries) {
      const ByteSpan bytes = data_.subspan(e.begin, e.end - e.begin);
      out.tensors.push_back({e.name, label(out, bytes, e)});
    }
  }

  static Tensor label(SafetensorsFile& out, ByteSpan bytes, const Entry& e) {
    const void* data = bytes.data();
    if (reinterpret_cast<std::uintptr_t>(data) % block_bytes(e.dtype) != 0)
      data = out.copies.emplace_back(bytes.begin(), bytes.end()).data();
    return {const_cast<void*>(data), e.shape,
            e.dtype};  // read-only: nothing writes to a file's tensor
  }

  ByteSpan file_, data_;
  std::string name_;
};

std::string_view type_name(DType dtype) {
  for (const FormatType& t : kTypes)
    if (t.dtype == dtype) return t.name;
  fail(ErrorKind::format, "safetensors has no type {}", to_string(dtype));
}

}  // namespace

SafetensorsFile parse_safetensors(ByteSpan file, std::string_view name) {
  return Parser(file, name).parse();
}

std::string safetensors_header(const std::vector<NamedTensor>& tensors,
                               const std::map<std::string, std::string>& metadata) {
  JsonWriter header;
  header.begin_object();
  if (!metadata.empty()) {
    header.key("__metadata__").begin_object();
    for (const auto& [key, text] : metadata) header.key(key).string(text);
    header.end_object();
  }
  std::int64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    header.key(name).begin_object().key("dtype").string(type_name(tensor.dtype));
    header.key("shape").begin_array();
    for (int i = 0; i < tensor.shape.rank(); ++i) header.integer(tensor.shape[i]);
    header.end_array().key("data_offsets").begin_array().integer(offset);
    offset += static_cast<std::int64_t>(tensor.bytes());
    header.integer(offset).end_array().end_object();
  }
  header.end_object();
  std::string text = header.text();
  text.append((8 - text.size() % 8) % 8, ' ');
  const auto length = static_cast<std::uint64_t>(text.size());
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + text;
}

void write_safetensors(Output& out, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  out.write(safetensors_header(tensors, metadata));
  for (const auto& [name, tensor] : tensors)
    out.write({static_cast<const char*>(tensor.data), tensor.bytes()});
}

}  // namespace r1
