#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/json.h"

namespace r1::test {

// The small checkpoints of tests/models/tiny (scripts/reference/tiny_checkpoints.py) and what they
// must give.
inline const std::filesystem::path kTiny =
    std::filesystem::path(R1_SOURCE_DIR) / "tests/models/tiny";

inline std::vector<std::string> tiny_names() {
  return {"llama",      "llama_tied",    "llama_linear_rope", "llama_llama3_rope",
          "llama_bf16", "llama_sharded", "mistral_window",    "qwen2",
          "qwen3",      "qwen3_tied",    "qwen3_yarn",        "qwen3_yarn_parameters",
          "r1",         "r1plus",        "r1plus_gate_only",  "qwen3_yarn_default"};
}

struct Golden {
  std::vector<std::int32_t> ids;      // [T]
  std::vector<float> logits;          // [T, V]
  std::vector<std::int32_t> greedy;   // what follows, the most likely id each time
  std::vector<std::uint8_t> newline;  // [V]: 1 where the id's text holds a newline
};

inline Golden read_golden(const std::string& name) {
  const std::string where = name + "/golden.json";
  const Json file = parse_json(read_file(kTiny / where), where);
  const auto integers = [&](std::string_view key) {
    std::vector<std::int32_t> out;
    for (const Json& id : file.at(key, where).array(where))
      out.push_back(static_cast<std::int32_t>(id.integer(where)));
    return out;
  };
  Golden golden{integers("ids"), {}, integers("greedy"), {}};
  for (const Json& row : file.at("logits", where).array(where))
    for (const Json& logit : row.array(where))
      golden.logits.push_back(static_cast<float>(logit.number(where)));
  golden.newline.resize(static_cast<std::size_t>(file.at("vocab", where).integer(where)));
  if (file.find("newline") != nullptr)
    for (const std::int32_t id : integers("newline"))
      golden.newline[static_cast<std::size_t>(id)] = 1;
  return golden;
}

}  // namespace r1::test
