#include <charconv>
#include <cmath>
#include <cstdlib>
#include <type_traits>

#include <fmt/format.h>

#include "lib/base/json.h"
#include "lib/base/utf8.h"

namespace r1 {
namespace {

void append_escaped(std::string& out, char32_t c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\r':
      out += "\\r";
      return;
    default:
      if (drives_terminal(c))
        out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c));
      else
        append_utf8(out, c);
  }
}

}  // namespace

void JsonWriter::separate() {
  if (after_value_) text_ += ',';
  after_value_ = true;
}

JsonWriter& JsonWriter::begin_object() {
  separate();
  text_ += '{';
  after_value_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  text_ += '}';
  after_value_ = true;
  return *this;
}

JsonWriter& JsonWriter::begin_array() {
  separate();
  text_ += '[';
  after_value_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_array() {
  text_ += ']';
  after_value_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  string(name);
  text_ += ':';
  after_value_ = false;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view text) {
  separate();
  text_ += '"';
  while (!text.empty()) {
    const Utf8Step step = next_utf8(text);
    append_escaped(text_, step.code_point);
    text.remove_prefix(step.bytes);
  }
  text_ += '"';
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t value) {
  separate();
  text_ += fmt::format("{}", value);
  return *this;
}

JsonWriter& JsonWriter::number(double value) {
  if (!std::isfinite(value)) return null();
  if (value == 0 && std::signbit(value)) value = 0;  // "-0" would read back as the integer 0
  separate();
  char digits[40];
  auto end = std::to_chars(digits, digits + sizeof digits, value);
  // Twenty digits and more would read back as an integer that no 64 bits hold.
  if (std::abs(value) >= 1e18)
    end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::scientific);
  text_.append(digits, end.ptr);
  return *this;
}

JsonWriter& JsonWriter::boolean(bool value) {
  separate();
  text_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::null() {
  separate();
  text_ += "null";
  return *this;
}

JsonWriter& JsonWriter::value(const Json& json) { return put(json, Fractions::shortest); }
JsonWriter& JsonWriter::exact(const Json& json) { return put(json, Fractions::kept); }

JsonWriter& JsonWriter::put(const Json& json, Fractions fractions) {
  if (json.is_null()) return null();
  if (json.is_bool()) return boolean(json.boolean(""));
  if (json.is_string()) return string(json.string(""));
  if (json.is_number())
    return json.visit_number([this, fractions](auto n) -> JsonWriter& {
      if constexpr (std::is_same_v<decltype(n), double>) {
        const std::size_t begin = text_.size();
        number(n);
        const bool whole = text_.find_first_of(".en", begin) == std::string::npos;
        if (whole && fractions == Fractions::kept) text_ += ".0";
        return *this;
      }
      separate();
      text_ += fmt::format("{}", n);
      return *this;
    });
  if (json.is_array()) {
    begin_array();
    for (const Json& element : json.array("")) put(element, fractions);
    return end_array();
  }
  begin_object();
  for (const auto& [name, member] : json.object("")) key(name).put(member, fractions);
  return end_object();
}

}  // namespace r1
