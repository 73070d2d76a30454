#include "tools/common/earlier_records.h"

#include <algorithm>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "tools/common/base64.h"

namespace r1 {
namespace {

constexpr std::string_view kSummary = "r1.summary/1";
constexpr std::size_t kMostBytes = std::size_t{8} << 30;

std::string path_in(const Json& record) {
  const Json* input = record.find("input");
  const Json* path = input == nullptr ? nullptr : input->find("path");
  if (path == nullptr) return {};
  if (const Json* text = path->find("text")) return text->string("path");
  return from_base64(path->at("bytes", "path").string("path"));
}

std::string digest_in(const Json& record) {
  const Json* input = record.find("input");
  const Json* digest = input == nullptr ? nullptr : input->find("digest");
  return digest == nullptr || digest->is_null() ? std::string() : digest->string("digest");
}

std::string recipe_in(const Json& record) {
  const Json* params = record.find("params");
  const Json* recipe = params == nullptr ? nullptr : params->find("recipe");
  return recipe == nullptr ? std::string() : recipe->string("recipe");
}

// A signal, or a full disk, may cut the last line: what is left of it begins as every record does.
bool is_cut_record(std::string_view rest) {
  constexpr std::string_view kBeginning = R"({"schema":"r1.)";
  const std::size_t n = std::min(rest.size(), kBeginning.size());
  return rest.substr(0, n) == kBeginning.substr(0, n);
}

}  // namespace

std::vector<EarlierRecord> read_earlier(const std::filesystem::path& path,
                                        std::string_view schema) {
  const std::string name = escaped(path.string());
  std::vector<EarlierRecord> records;
  int number = 0;
  try {
    const std::string text = read_file(path, kMostBytes);
    std::size_t at = 0;
    for (std::size_t end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
      ++number;
      const std::string line = text.substr(at, end + 1 - at);
      const Json json = parse_json(std::string_view(line).substr(0, line.size() - 1), "the record");
      const std::string of = json.at("schema", "the record").string("schema");
      if (of != schema && of != kSummary)
        fail(ErrorKind::usage, "{} is none of {}", escaped(of), schema);
      const Json& id = json.at("id", "the record");
      if (id.is_null()) continue;  // a summary
      records.push_back({id.string("id"), json.at("status", "the record").string("status"),
                         recipe_in(json), path_in(json), digest_in(json), line});
    }
    if (++number; !is_cut_record(std::string_view(text).substr(at)))
      fail(ErrorKind::usage, "this is no record");
  } catch (const Error& e) {
    if (number == 0) fail(ErrorKind::usage, "{}", e.what());
    fail(ErrorKind::usage, "{}:{}: {}", name, number, e.what());
  }
  return records;
}

std::string with_index(const std::string& line, std::int64_t index) {
  constexpr std::string_view kKey = "\"index\":";
  const std::size_t at = line.find(kKey) + kKey.size();
  return line.substr(0, at) + std::to_string(index) + line.substr(line.find(',', at));
}

}  // namespace r1
