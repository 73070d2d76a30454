#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "lib/base/json.h"

namespace r1 {

// One object of a document whose keys may be absent; `where` names it for messages: "config.json:
// rope_scaling". A null is as good as no key.
class JsonSection {
 public:
  JsonSection(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  std::string where(std::string_view key) const;  // "config.json: rope_scaling: type"
  const Json* find(std::string_view key) const;
  // The value of a key, or `absent`. Fails with `decode` for one of another kind.
  std::int64_t integer(std::string_view key, std::int64_t absent) const;
  double number(std::string_view key, double absent) const;
  bool boolean(std::string_view key, bool absent) const;
  std::string text(std::string_view key, std::string_view absent) const;

 protected:
  const std::string& name() const { return where_; }

 private:
  const Json& json_;
  std::string where_;
};

}  // namespace r1
