#pragma once

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/text/tokenizer.h"

namespace r1::test {

// The published test strings of a vocabulary and their ids.
struct Vectors {
  std::vector<std::string> texts;
  std::vector<std::vector<TokenId>> ids;
};

inline Vectors read_vectors(const std::filesystem::path& stem) {
  Vectors v;
  const std::string separator = "\n__ggml_vocab_test__\n";
  const std::string inputs = read_file(stem.string() + ".inp");
  for (std::size_t at = 0; at < inputs.size();) {
    const std::size_t end = inputs.find(separator, at);
    if (end == std::string::npos) break;  // what follows the last separator is no test
    v.texts.push_back(inputs.substr(at, end - at));
    at = end + separator.size();
  }
  std::istringstream lines(read_file(stem.string() + ".out"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    v.ids.emplace_back();
    for (TokenId id = 0; words >> id;) v.ids.back().push_back(id);
  }
  return v;
}

}  // namespace r1::test
