#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/json.h"
#include "lib/text/bpe_tokenizer.h"
#include "lib/text/byte_letters.h"

// The text of a tokenizer.json for vocabularies that were published in another form.
namespace r1::test {

// The steps of an entry of pretokenizers.json, as a tokenizer.json writes them.
inline void write_steps(JsonWriter& json, const Json& entry) {
  json.begin_object().key("type").string("Sequence").key("pretokenizers").begin_array();
  for (const Json& step : entry.at("steps", "").array("")) {
    json.begin_object().key("type").string("Split").key("pattern").begin_object();
    json.key("Regex").string(step.string("")).end_object();
    json.key("behavior").string("Isolated").key("invert").boolean(false).end_object();
  }
  json.begin_object().key("type").string("ByteLevel").key("use_regex").boolean(false);
  json.key("add_prefix_space").boolean(false).end_object();
  json.end_array().end_object();
}

struct PublishedBpe {
  std::vector<std::pair<std::string, std::int64_t>> vocabulary;  // in letters
  std::vector<std::pair<std::string, std::string>> merges;       // in letters, best first
};

inline std::string tokenizer_json(const PublishedBpe& bpe, const Json& entry) {
  const auto flag = [&entry](std::string_view name) {
    const Json* value = entry.find(name);
    return value != nullptr && value->boolean("");
  };
  JsonWriter json;
  json.begin_object().key("normalizer");
  if (flag("nfc"))
    json.begin_object().key("type").string("NFC").end_object();
  else
    json.null();
  json.key("pre_tokenizer");
  write_steps(json, entry);
  json.key("model").begin_object().key("type").string("BPE");
  json.key("ignore_merges").boolean(flag("ignore_merges")).key("vocab").begin_object();
  for (const auto& [piece, id] : bpe.vocabulary) json.key(piece).integer(id);
  json.end_object().key("merges").begin_array();
  for (const auto& [left, right] : bpe.merges)
    json.begin_array().string(left).string(right).end_array();
  json.end_array().end_object().end_object();
  return json.text();
}

// encoder.json and vocab.bpe, as GPT-2 was published.
inline PublishedBpe read_gpt2_form(const std::filesystem::path& folder) {
  PublishedBpe bpe;
  const Json encoder = parse_json(read_file((folder / "encoder.json").string()), "encoder.json");
  for (const auto& [piece, id] : encoder.object(""))
    bpe.vocabulary.emplace_back(piece, id.integer(""));
  std::istringstream lines(read_file((folder / "vocab.bpe").string()));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t space = line.find(' ');
    if (space == std::string::npos || line.starts_with("#version")) continue;
    bpe.merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return bpe;
}

inline std::string from_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0, held = 0;
  for (const char c : text) {
    if (c == '=') break;
    held = held << 6 | static_cast<unsigned>(kDigits.find(c));
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(held >> bits & 0xFF);
  }
  return out;
}

// Ranks alone: the last merge of a token is the pair that byte-pair merging with only the better
// ranks leaves of it.
inline PublishedBpe read_tiktoken(const std::filesystem::path& path) {
  std::vector<std::string> tokens;
  std::istringstream lines(read_file(path.string()));
  for (std::string line; std::getline(lines, line);)
    tokens.push_back(from_base64(line.substr(0, line.find(' '))));
  std::unordered_map<std::string_view, std::size_t> rank;
  for (std::size_t i = 0; i < tokens.size(); ++i) rank.emplace(tokens[i], i);

  PublishedBpe bpe;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view token = tokens[i];
    bpe.vocabulary.emplace_back(letters_of(token), static_cast<std::int64_t>(i));
    std::vector<std::size_t> ends;  // of the parts
    for (std::size_t at = 1; at <= token.size(); ++at) ends.push_back(at);
    while (ends.size() > 2) {
      std::size_t best = i, place = 0;
      for (std::size_t p = 0, begin = 0; p + 1 < ends.size(); begin = ends[p++]) {
        const auto found = rank.find(token.substr(begin, ends[p + 1] - begin));
        if (found != rank.end() && found->second < best) best = found->second, place = p;
      }
      if (best == i) break;  // a token that merging never makes
      ends.erase(ends.begin() + static_cast<std::ptrdiff_t>(place));
    }
    if (ends.size() == 2)
      bpe.merges.emplace_back(letters_of(token.substr(0, ends[0])),
                              letters_of(token.substr(ends[0])));
  }
  return bpe;
}

// An entry of pretokenizers.json by name.
inline Json pretokenizer_entry(const std::string& name) {
  const auto path = std::filesystem::path(R1_SOURCE_DIR) / "share/pretokenizers.json";
  const Json file = parse_json(read_file(path.string()), "pretokenizers.json");
  const Json& entry = file.at(name, "");
  const Json* like = entry.find("like");
  return like == nullptr ? entry : file.at(like->string(""), "");
}

// A published vocabulary of the test data by the name of its pre-tokenizer; nothing when absent.
inline std::unique_ptr<Tokenizer> published_tokenizer(const std::string& name) {
  namespace fs = std::filesystem;
  const fs::path text = fs::path(R1_TEST_DATA) / "text", ranks = text / "qwen2/qwen.tiktoken";
  const fs::path gguf = text / "vocab" / ("ggml-vocab-" + name + ".gguf");
  const auto from = [&name](const PublishedBpe& bpe) {
    const std::string json = tokenizer_json(bpe, pretokenizer_entry(name));
    return make_bpe_tokenizer(parse_json(json, "tokenizer.json"));
  };
  if (name == "llama-bpe" && fs::exists(text / "llama3"))
    return from(read_gpt2_form(text / "llama3"));
  if ((name == "qwen2" || name == "deepseek-r1-qwen") && fs::exists(ranks))
    return from(read_tiktoken(ranks));
  if (!fs::exists(gguf)) return nullptr;
  return load_tokenizer(ModelFiles::open(gguf), fs::path(R1_SOURCE_DIR) / "share");
}

}  // namespace r1::test
