#include "lib/base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_set>

#include <simdjson.h>

#include "lib/base/error.h"

namespace r1 {
namespace {

constexpr int kMostDepth = 64;
constexpr std::string_view kKinds[] = {"null",     "a boolean", "a number", "a number",
                                       "a number", "a string",  "a list",   "an object"};

class Builder {
 public:
  explicit Builder(std::string_view where) : where_(where) {}

  Json build(const simdjson::dom::element& element, int depth) const {
    if (depth > kMostDepth) fail(ErrorKind::limit, "{} is nested too deeply", where_);
    using simdjson::dom::element_type;
    switch (element.type()) {
      case element_type::ARRAY:
        return array(element, depth);
      case element_type::OBJECT:
        return object(element, depth);
      case element_type::INT64:
        return Json(std::int64_t{element});
      case element_type::UINT64:
        return Json(std::uint64_t{element});
      case element_type::DOUBLE:
        return Json(double{element});
      case element_type::STRING:
        return Json(std::string(std::string_view(element)));
      case element_type::BOOL:
        return Json(bool{element});
      case element_type::NULL_VALUE:
        return Json();
    }
    return Json();
  }

 private:
  Json array(const simdjson::dom::array& elements, int depth) const {
    Json::Array out;
    out.reserve(elements.size());
    for (const simdjson::dom::element e : elements) out.push_back(build(e, depth + 1));
    return Json(std::move(out));
  }

  Json object(const simdjson::dom::object& members, int depth) const {
    Json::Object out;
    out.reserve(members.size());
    std::unordered_set<std::string_view> seen(members.size());
    for (const auto& [key, value] : members) {
      if (key.find('\0') != std::string_view::npos)
        fail(ErrorKind::decode, "{} has a key with a NUL byte", where_);
      if (!seen.insert(key).second)
        fail(ErrorKind::decode, "{} has the key {} twice", where_, escaped(key));
      out.emplace_back(std::string(key), build(value, depth + 1));
    }
    return Json(std::move(out));
  }

  std::string where_;
};

// "12" or "-12", and more than 64 bits hold.
bool is_too_long(std::string_view number) {
  std::int64_t whole = 0;
  std::uint64_t natural = 0;
  const char* end = number.data() + number.size();
  return number.find_first_not_of("-0123456789") == std::string_view::npos &&
         std::from_chars(number.data(), end, whole).ec == std::errc::result_out_of_range &&
         std::from_chars(number.data(), end, natural).ec != std::errc();
}

std::size_t end_of_string(std::string_view text, std::size_t begin) {
  std::size_t end = begin + 1;
  while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2u : 1u;
  return std::min(end + 1, text.size());
}

// In our own words: the parser's are others in each version of it.
const char* reason(simdjson::error_code error) {
  switch (error) {
    case simdjson::STRING_ERROR:
    case simdjson::UNESCAPED_CHARS:
      return "a string holds what has to be escaped, or escapes wrongly";
    case simdjson::UNCLOSED_STRING:
      return "a string does not end";
    case simdjson::UTF8_ERROR:
      return "it is not UTF-8";
    case simdjson::NUMBER_ERROR:
      return "a number is malformed or too large";
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR:
    case simdjson::N_ATOM_ERROR:
      return "a word is neither true, false nor null";
    case simdjson::EMPTY:
      return "nothing is there";
    default:
      return "a comma, a bracket or a key is missing, or there is one too many";
  }
}

// The same text with "e0" behind each whole number that no 64 bits hold, such as the int(1e30) of
// Python's writers: it is read as a fraction then.
std::string with_long_numbers(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t number = text.find_first_not_of("+-.0123456789eE", at);
    std::size_t end = std::min(number, text.size());
    if (text[at] == '"') end = end_of_string(text, at);
    end = std::max(end, at + 1);
    const std::string_view word = text.substr(at, end - at);
    out += word;
    if (is_too_long(word)) out += "e0";
    at = end;
  }
  return out;
}

}  // namespace

Json parse_json(std::string_view text, std::string_view where, std::size_t most) {
  const std::string name = escaped(where);
  if (text.size() > most) fail(ErrorKind::limit, "{} has more than {} bytes", name, most);
  if (text.empty()) fail(ErrorKind::decode, "{} is empty", name);
  if (text.starts_with("\xEF\xBB\xBF"))
    fail(ErrorKind::decode, "{} begins with a byte order mark", name);
  simdjson::dom::parser parser;
  // Its own limit lies above ours, so that ours is the one that speaks.
  if (parser.allocate(text.size(), std::size_t{4} * kMostDepth) != simdjson::SUCCESS)
    fail(ErrorKind::oom_cpu, "{} does not fit in memory", name);
  auto parsed = parser.parse(text.data(), text.size());
  std::string changed;
  if (parsed.error() != simdjson::SUCCESS) {  // each version calls a long number another error
    changed = with_long_numbers(text);
    parsed = parser.parse(changed.data(), changed.size());
  }
  if (parsed.error() == simdjson::DEPTH_ERROR)
    fail(ErrorKind::limit, "{} is nested too deeply", name);
  if (parsed.error() != simdjson::SUCCESS)
    fail(ErrorKind::decode, "{} is not valid JSON: {}", name, reason(parsed.error()));
  return Builder(name).build(parsed.value_unsafe(), 0);
}

bool Json::is_number() const { return value_.index() >= 2 && value_.index() <= 4; }

const Json* Json::find(std::string_view key) const {
  if (const Object* members = std::get_if<Object>(&value_))
    for (const auto& [name, value] : *members)
      if (name == key) return &value;
  return nullptr;
}

const Json& Json::at(std::string_view key, std::string_view where) const {
  if (const Json* found = find(key)) return *found;
  fail(ErrorKind::decode, "{} has no {}", escaped(where), key);
}

namespace {

template <typename T>
const T& wanted(const Json::Value& value, std::string_view where, std::string_view want) {
  if (const T* found = std::get_if<T>(&value)) return *found;
  fail(ErrorKind::decode, "{} is {}, not {}", escaped(where), kKinds[value.index()], want);
}

}  // namespace

bool Json::boolean(std::string_view where) const {
  return wanted<bool>(value_, where, "a boolean");
}

std::int64_t Json::integer(std::string_view where) const {
  if (const auto* i = std::get_if<std::int64_t>(&value_)) return *i;
  if (const auto* d = std::get_if<double>(&value_);
      d != nullptr && *d == std::floor(*d) && std::abs(*d) < 0x1p53)
    return static_cast<std::int64_t>(*d);
  const auto* fraction = std::get_if<double>(&value_);
  if (fraction != nullptr && std::abs(*fraction) < 0x1p53)
    fail(ErrorKind::decode, "{} is {}, not a whole number", escaped(where), *fraction);
  fail(ErrorKind::decode, "{} is {}, not a whole number", escaped(where),
       is_number() ? "out of range" : kKinds[value_.index()]);
}

double Json::number(std::string_view where) const {
  if (const auto* i = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*i);
  if (const auto* u = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*u);
  return wanted<double>(value_, where, "a number");
}

const std::string& Json::string(std::string_view where) const {
  return wanted<std::string>(value_, where, "a string");
}
const Json::Array& Json::array(std::string_view where) const {
  return wanted<Array>(value_, where, "a list");
}
const Json::Object& Json::object(std::string_view where) const {
  return wanted<Object>(value_, where, "an object");
}

}  // namespace r1
