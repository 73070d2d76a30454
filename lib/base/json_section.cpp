#include "lib/base/json_section.h"

#include <fmt/format.h>

namespace r1 {

std::string JsonSection::where(std::string_view key) const {
  return fmt::format("{}: {}", where_, key);
}

const Json* JsonSection::find(std::string_view key) const {
  const Json* value = json_.find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::int64_t JsonSection::integer(std::string_view key, std::int64_t absent) const {
  const Json* value = find(key);
  return value == nullptr ? absent : value->integer(where(key));
}

double JsonSection::number(std::string_view key, double absent) const {
  const Json* value = find(key);
  return value == nullptr ? absent : value->number(where(key));
}

bool JsonSection::boolean(std::string_view key, bool absent) const {
  const Json* value = find(key);
  return value == nullptr ? absent : value->boolean(where(key));
}

std::string JsonSection::text(std::string_view key, std::string_view absent) const {
  const Json* value = find(key);
  return value == nullptr ? std::string(absent) : value->string(where(key));
}

}  // namespace r1
