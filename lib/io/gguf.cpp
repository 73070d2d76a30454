#include "lib/io/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>

#include <fmt/format.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"

namespace r1 {
namespace {

// Beyond these limits a file is an attack or an accident.
constexpr std::uint64_t kMostTensors = 262'144, kMostKeys = 65'536;
constexpr std::uint64_t kLongestString = std::uint64_t{64} << 20, kLongestArray = 16'777'216;
constexpr std::uint64_t kLongestKey = 65'535, kLongestName = 64;
constexpr std::uint64_t kSmallestPair = 8 + 1 + 4 + 1, kSmallestTensor = 8 + 1 + 4 + 8 + 4 + 8;

enum Type : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64
};

struct TensorType {
  std::uint32_t number;
  DType dtype;
};
constexpr TensorType kTensorTypes[] = {{0, DType::f32},   {1, DType::f16},     {2, DType::q4_0},
                                       {8, DType::q8_0},  {12, DType::q4_k},   {13, DType::q5_k},
                                       {14, DType::q6_k}, {20, DType::iq4_nl}, {23, DType::iq4_xs},
                                       {26, DType::i32},  {30, DType::bf16}};

std::uint64_t padded(std::uint64_t n, std::uint64_t alignment, std::string_view what) {
  return checked_add(n, alignment - 1, what) / alignment * alignment;
}

class Parser {
 public:
  Parser(ByteSpan file, std::string_view name, GgufFile::Types types)
      : file_(file), name_(escaped(name)), types_(types), reader_(file, name_) {}

  void parse(std::map<std::string, GgufValue, std::less<>>& metadata,
             std::vector<std::pair<std::string, GgufRaw>>& raw) {
    read_magic();
    const auto tensor_count = reader_.read<std::uint64_t>();
    const auto pair_count = reader_.read<std::uint64_t>();
    bound("keys", pair_count, kMostKeys, kSmallestPair);
    bound("tensors", tensor_count, kMostTensors, kSmallestTensor);
    for (std::uint64_t i = 0; i < pair_count; ++i) read_pair(metadata, raw);
    read_alignment(metadata);
    for (std::uint64_t i = 0; i < tensor_count; ++i) tensors_.push_back(read_tensor());
    place();
  }

  std::size_t header_bytes() const { return begin_; }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const StoredTensor& t : tensors_) out.push_back(t.name);
    return out;
  }
  std::vector<NamedTensor> tensors() const {
    std::vector<NamedTensor> out;
    for (const StoredTensor& t : tensors_)  // read-only: nothing writes to it
      if (t.converted == nullptr)
        out.push_back({t.name, {const_cast<std::byte*>(t.bytes.data()), t.shape, t.dtype}});
    return out;
  }
  std::vector<ConvertedTensor> converted() const {
    std::vector<ConvertedTensor> out;
    for (const StoredTensor& t : tensors_)
      if (t.converted != nullptr) out.push_back({t.name, t.shape, t.converted, t.bytes});
    return out;
  }

 private:
  struct StoredTensor {
    std::string name;
    Shape shape;
    DType dtype = DType::f32;
    const ConvertedType* converted = nullptr;  // in place of `dtype`
    std::uint64_t offset = 0;
    ByteSpan bytes = {};

    std::int64_t block() const {
      return converted != nullptr ? converted->elements : block_elements(dtype);
    }
    std::uint64_t size() const {  // in the file
      const auto blocks = static_cast<std::uint64_t>(shape.elements() / block());
      return blocks * (converted != nullptr ? converted->bytes : block_bytes(dtype));
    }
  };

  void read_magic() {
    const std::string_view magic = as_text(reader_.take(4));
    if (magic != "GGUF") fail(ErrorKind::format, "{} is not a GGUF file", name_);
    const auto version = reader_.read<std::uint32_t>();
    if (version == 3) return;
    if (version == 3u << 24)
      fail(ErrorKind::format, "{} is big-endian; little-endian is read", name_);
    fail(ErrorKind::format, "{} is GGUF version {}; version 3 is read", name_, version);
  }

  // A count is believed only as far as the bytes that remain can hold it.
  void bound(std::string_view what, std::uint64_t count, std::uint64_t most,
             std::uint64_t smallest) const {
    if (count > most)
      fail(ErrorKind::limit, "{} has {} {}; at most {} are read", name_, count, what, most);
    if (count > reader_.remaining() / smallest)
      fail(ErrorKind::truncated, "{} says it has {} {}, more than its {} bytes hold", name_, count,
           what, file_.size());
  }

  std::string_view read_string(std::uint64_t most, std::string_view what) {
    const auto length = reader_.read<std::uint64_t>();
    if (length > most)
      fail(ErrorKind::limit, "{}: {} of {} bytes; at most {} are read", name_, what, length, most);
    return as_text(reader_.take(length));
  }

  void read_pair(std::map<std::string, GgufValue, std::less<>>& metadata,
                 std::vector<std::pair<std::string, GgufRaw>>& raw) {
    const std::string key(read_string(kLongestKey, "a key"));
    if (key.empty()) fail(ErrorKind::decode, "{} has an empty key", name_);
    const auto type = reader_.read<std::uint32_t>();
    const std::size_t begin = reader_.position();
    GgufValue value = type == array ? read_array(key) : read_scalar(type, key);
    if (!metadata.emplace(key, std::move(value)).second)
      fail(ErrorKind::decode, "{} has the key {} twice", name_, escaped(key));
    raw.push_back({key, {type, file_.subspan(begin, reader_.position() - begin)}});
  }

  template <typename T>
  std::int64_t whole() {
    return static_cast<std::int64_t>(reader_.read<T>());
  }

  bool read_bool(const std::string& key) {
    const auto byte = reader_.read<std::uint8_t>();
    if (byte > 1) fail(ErrorKind::decode, "{}: {} is the boolean {}", name_, escaped(key), byte);
    return byte == 1;
  }

  GgufValue read_scalar(std::uint32_t type, const std::string& key) {
    switch (type) {
      case u8:
        return {whole<std::uint8_t>()};
      case i8:
        return {whole<std::int8_t>()};
      case u16:
        return {whole<std::uint16_t>()};
      case i16:
        return {whole<std::int16_t>()};
      case u32:
        return {whole<std::uint32_t>()};
      case i32:
        return {whole<std::int32_t>()};
      case i64:
        return {whole<std::int64_t>()};
      case u64:
        return {reader_.read<std::uint64_t>()};
      case f32:
        return {double{reader_.read<float>()}};
      case f64:
        return {reader_.read<double>()};
      case boolean:
        return {read_bool(key)};
      case string:
        return {read_string(kLongestString, "a string")};
      default:
        fail(ErrorKind::decode, "{}: {} has the unknown type {}", name_, escaped(key), type);
    }
  }

  GgufNumbers read_numbers(std::uint32_t type, std::uint64_t count, std::uint64_t size) {
    return {type, reader_.take(count * size)};  // count is bounded: no overflow
  }

  std::vector<float> read_floats(std::uint64_t count) {
    const ByteSpan bytes = reader_.take(count * sizeof(float));
    std::vector<float> out(count);
    if (count > 0) std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
  }

  GgufValue read_array(const std::string& key) {
    const auto type = reader_.read<std::uint32_t>();
    const auto count = reader_.read<std::uint64_t>();
    if (count > kLongestArray)
      fail(ErrorKind::limit, "{}: {} has {} elements; at most {} are read", name_, escaped(key),
           count, kLongestArray);
    switch (type) {
      case u8:
      case i8:
        return {read_numbers(type, count, 1)};
      case u16:
      case i16:
        return {read_numbers(type, count, 2)};
      case u32:
      case i32:
        return {read_numbers(type, count, 4)};
      case u64:
      case i64:
      case f64:
        return {read_numbers(type, count, 8)};
      case f32:
        return {read_floats(count)};
      case boolean:
        return {read_bools(key, count)};
      case string:
        return {read_strings(count)};
      default:
        fail(ErrorKind::decode, "{}: {} is an array of the unknown type {}", name_, escaped(key),
             type);
    }
  }

  std::vector<bool> read_bools(const std::string& key, std::uint64_t count) {
    bound("booleans", count, kLongestArray, 1);
    std::vector<bool> out(count);
    for (std::uint64_t i = 0; i < count; ++i) out[i] = read_bool(key);
    return out;
  }

  GgufValue::Strings read_strings(std::uint64_t count) {
    bound("strings in an array", count, kLongestArray, 8);
    GgufValue::Strings out(count);
    for (std::string_view& s : out) s = read_string(kLongestString, "a string");
    return out;
  }

  void read_alignment(const std::map<std::string, GgufValue, std::less<>>& metadata) {
    const auto found = metadata.find("general.alignment");
    if (found == metadata.end()) return;
    const auto* n = std::get_if<std::int64_t>(&found->second.value);
    if (n == nullptr || *n < 8 || *n > 4096 || !std::has_single_bit(static_cast<std::uint64_t>(*n)))
      fail(ErrorKind::decode, "{}: general.alignment is no power of two from 8 to 4096", name_);
    alignment_ = static_cast<std::uint64_t>(*n);
  }

  void read_type(StoredTensor& tensor) {
    const auto number = reader_.read<std::uint32_t>();
    for (const TensorType& t : kTensorTypes)
      if (t.number == number) {
        tensor.dtype = t.dtype;
        return;
      }
    if (types_ == GgufFile::Types::converted_too) tensor.converted = converted_type(number);
    if (tensor.converted == nullptr)
      fail(ErrorKind::format, "{}: {} has the type number {}, which is not read", name_,
           escaped(tensor.name), number);
  }

  StoredTensor read_tensor() {
    const std::string name(read_string(kLongestName, "a tensor name"));
    if (name.empty()) fail(ErrorKind::decode, "{} has a tensor without a name", name_);
    if (!names_.insert(name).second)
      fail(ErrorKind::decode, "{} has the tensor {} twice", name_, escaped(name));
    const std::string where = fmt::format("{}: {}", name_, escaped(name));
    const auto rank = reader_.read<std::uint32_t>();
    if (rank < 1 || rank > 4) fail(ErrorKind::decode, "{} has {} dimensions", where, rank);
    std::int64_t dims[4] = {1, 1, 1, 1};  // fastest first, as stored
    std::uint64_t product = 1;
    for (std::uint32_t i = 0; i < rank; ++i) {
      const auto n = reader_.read<std::uint64_t>();
      if (n == 0 || n > std::uint64_t{1} << 48)
        fail(ErrorKind::decode, "{} has a dimension of {}", where, n);
      product = checked_mul(product, n, where);
      dims[i] = static_cast<std::int64_t>(n);
    }
    if (product > std::uint64_t{1} << 56) fail(ErrorKind::decode, "{} is too large", where);
    StoredTensor tensor{.name = name, .shape = outermost_first(dims, rank)};
    read_type(tensor);
    if (dims[0] % tensor.block() != 0)
      fail(ErrorKind::decode, "{}: rows of {} do not divide into blocks of {}", where, dims[0],
           tensor.block());
    tensor.offset = reader_.read<std::uint64_t>();
    return tensor;
  }

  static Shape outermost_first(const std::int64_t dims[4], std::uint32_t rank) {
    switch (rank) {
      case 1:
        return {dims[0]};
      case 2:
        return {dims[1], dims[0]};
      case 3:
        return {dims[2], dims[1], dims[0]};
      default:
        return {dims[3], dims[2], dims[1], dims[0]};
    }
  }

  // Each tensor begins at the padded end of the one before; after the last only padding follows.
  void place() {
    std::uint64_t begin = padded(reader_.position(), alignment_, name_);
    if (tensors_.empty()) begin = std::min<std::uint64_t>(begin, file_.size());  // a vocabulary
    if (begin > file_.size()) fail(ErrorKind::truncated, "{} ends before its data", name_);
    begin_ = begin;
    const ByteSpan data = file_.subspan(begin);
    std::uint64_t at = 0;
    for (StoredTensor& t : tensors_) {
      const std::string where = fmt::format("{}: {}", name_, escaped(t.name));
      const std::uint64_t want = padded(at, alignment_, where);
      if (t.offset != want)
        fail(ErrorKind::decode, "{} begins at byte {} of the data, not at {}", where, t.offset,
             want);
      at = checked_add(want, t.size(), where);
      if (at > data.size())
        fail(ErrorKind::truncated, "{} ends at byte {} of the data, which has {}", where, at,
             data.size());
      t.bytes = data.subspan(want, t.size());
    }
    const ByteSpan tail = data.subspan(at);
    if (tail.size() >= alignment_ ||
        std::any_of(tail.begin(), tail.end(), [](std::byte b) { return b != std::byte{0}; }))
      fail(ErrorKind::decode, "{} has {} bytes behind its last tensor", name_, tail.size());
  }

  ByteSpan file_;
  std::string name_;
  GgufFile::Types types_;
  ByteReader reader_;
  std::uint64_t alignment_ = kGgufAlignment;
  std::set<std::string> names_;  // so far
  std::vector<StoredTensor> tensors_;
  std::size_t begin_ = 0;  // of the data
};

}  // namespace

std::uint32_t gguf_type_number(DType dtype) {
  for (const TensorType& t : kTensorTypes)
    if (t.dtype == dtype) return t.number;
  fail(ErrorKind::internal, "GGUF has no {}", to_string(dtype));
}

GgufFile GgufFile::parse(ByteSpan file, std::string_view name, Types types) {
  GgufFile out;
  out.name_ = escaped(name);
  Parser parser(file, name, types);
  parser.parse(out.metadata_, out.raw_);
  out.tensors_ = parser.tensors();
  out.converted_ = parser.converted();
  out.names_ = parser.names();
  out.header_bytes_ = parser.header_bytes();
  return out;
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

namespace {

template <typename T>
const T* wanted(const GgufFile& file, std::string_view key, std::string_view want) {
  const GgufValue* value = file.find(key);
  if (value == nullptr) return nullptr;
  if (const T* found = std::get_if<T>(&value->value)) return found;
  fail(ErrorKind::model, "{}: {} is not {}", file.name(), escaped(key), want);
}

}  // namespace

std::optional<std::string_view> GgufFile::string(std::string_view key) const {
  const auto* s = wanted<std::string_view>(*this, key, "a string");
  return s == nullptr ? std::nullopt : std::optional(*s);
}

std::optional<std::int64_t> GgufFile::integer(std::string_view key) const {
  if (const GgufValue* value = find(key))
    if (const auto* u = std::get_if<std::uint64_t>(&value->value)) {
      if (*u <= INT64_MAX) return static_cast<std::int64_t>(*u);
      fail(ErrorKind::model, "{}: {} is {}", name_, escaped(key), *u);
    }
  const auto* i = wanted<std::int64_t>(*this, key, "a whole number");
  return i == nullptr ? std::nullopt : std::optional(*i);
}

std::optional<double> GgufFile::number(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value != nullptr && !std::holds_alternative<double>(value->value))
    if (const auto whole = integer(key)) return static_cast<double>(*whole);
  const auto* d = wanted<double>(*this, key, "a number");
  return d == nullptr ? std::nullopt : std::optional(*d);
}

std::optional<bool> GgufFile::boolean(std::string_view key) const {
  const auto* b = wanted<bool>(*this, key, "a boolean");
  return b == nullptr ? std::nullopt : std::optional(*b);
}

const GgufValue::Strings* GgufFile::strings(std::string_view key) const {
  return wanted<GgufValue::Strings>(*this, key, "a list of strings");
}

const std::vector<float>* GgufFile::floats(std::string_view key) const {
  return wanted<std::vector<float>>(*this, key, "a list of 32-bit floats");
}

namespace {

template <typename Stored>
std::vector<std::int64_t> widened(ByteSpan bytes) {
  std::vector<std::int64_t> out(bytes.size() / sizeof(Stored));
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored value;
    std::memcpy(&value, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    out[i] = value;  // NOLINT(bugprone-signed-char-misuse): it may be negative
  }
  return out;
}

}  // namespace

std::optional<std::vector<std::int64_t>> GgufFile::integers(std::string_view key) const {
  constexpr std::string_view kWanted = "a list of whole numbers";
  const auto* list = wanted<GgufNumbers>(*this, key, kWanted);
  if (list == nullptr) return std::nullopt;
  switch (list->type) {
    case u8:
      return widened<std::uint8_t>(list->bytes);
    case i8:
      return widened<std::int8_t>(list->bytes);
    case u16:
      return widened<std::uint16_t>(list->bytes);
    case i16:
      return widened<std::int16_t>(list->bytes);
    case u32:
      return widened<std::uint32_t>(list->bytes);
    case i32:
      return widened<std::int32_t>(list->bytes);
    case i64:
      return widened<std::int64_t>(list->bytes);
    default:
      fail(ErrorKind::model, "{}: {} is not {}", name_, escaped(key), kWanted);
  }
}

}  // namespace r1
