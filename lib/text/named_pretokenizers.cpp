#include "lib/text/named_pretokenizers.h"

#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/json.h"

namespace r1 {
namespace {

constexpr const char* kFile = "pretokenizers.json";

Json read_names(const std::filesystem::path& data_dir) {
  return parse_json(read_file(data_dir / kFile), kFile);
}

NamedPretokenizing read_entry(const Json& entry) {
  const auto flag = [&entry](std::string_view key) {
    const Json* value = entry.find(key);
    return value != nullptr && value->boolean(kFile);
  };
  std::vector<std::string> patterns;
  for (const Json& step : entry.at("steps", kFile).array(kFile))
    patterns.push_back(step.string(kFile));
  return {{Pretokenizer::from_patterns(patterns), flag("ignore_merges"), flag("nfc")},
          flag("begins_with_bos")};
}

}  // namespace

std::optional<NamedPretokenizing> named_pretokenizing(std::string_view name,
                                                      const std::filesystem::path& data_dir) {
  const Json file = read_names(data_dir);
  const Json* entry = file.find(name);
  if (entry == nullptr) return std::nullopt;
  if (const Json* like = entry->find("like")) entry = &file.at(like->string(kFile), kFile);
  return read_entry(*entry);
}

std::optional<std::string> name_of(const Pretokenizing& wanted,
                                   const std::filesystem::path& data_dir) {
  const Json file = read_names(data_dir);
  for (const auto& [name, entry] : file.object(kFile))
    if (entry.find("like") == nullptr && read_entry(entry).before_merging == wanted) return name;
  return std::nullopt;
}

}  // namespace r1
