#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace r1 {

// A JSON document, read strictly: no duplicate keys at any depth, no bytes after the end, valid
// UTF-8, depth at most 64, no NUL in keys. Numbers keep their kind. Objects keep file order.
class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;
  using Value = std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string,
                             Array, Object>;

  Json() : value_(nullptr) {}
  explicit Json(Value value) : value_(std::move(value)) {}

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_number() const;
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // Nothing, when this is not an object or has no such member.
  const Json* find(std::string_view key) const;

  // These fail with `decode`: "config.json: hidden_size is a string, not a whole number".
  const Json& at(std::string_view key, std::string_view where) const;
  bool boolean(std::string_view where) const;
  std::int64_t integer(std::string_view where) const;  // 1e6 and 3.0 are whole numbers too
  double number(std::string_view where) const;
  const std::string& string(std::string_view where) const;
  const Array& array(std::string_view where) const;
  const Object& object(std::string_view where) const;

  // body(n) with n an int64, a uint64 or a double. Only if is_number().
  template <typename Body>
  decltype(auto) visit_number(Body&& body) const {
    if (const auto* i = std::get_if<std::int64_t>(&value_)) return body(*i);
    if (const auto* u = std::get_if<std::uint64_t>(&value_)) return body(*u);
    return body(std::get<double>(value_));
  }

 private:
  Value value_;
};

// `where` names the document in errors. Errors are `decode`; a text over `most` bytes is `limit`.
Json parse_json(std::string_view text, std::string_view where,
                std::size_t most = std::size_t{256} << 20);

// Writes one JSON value on one line; keys in the order given. The text is always valid JSON and
// valid UTF-8: a byte that belongs to no character becomes U+FFFD, NaN and infinities become null,
// control characters, DEL, C1 and bidirectional controls are written as \uNNNN.
class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view text);
  JsonWriter& integer(std::int64_t value);
  JsonWriter& number(double value);  // the shortest digits that read back the same
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& value(const Json& json);
  // The same, but what is a fraction there stays one, 8.0 and not 8, for readers who ask for that.
  JsonWriter& exact(const Json& json);

  const std::string& text() const { return text_; }

 private:
  enum class Fractions { shortest, kept };
  JsonWriter& put(const Json& json, Fractions fractions);
  void separate();
  std::string text_;
  bool after_value_ = false;
};

}  // namespace r1
