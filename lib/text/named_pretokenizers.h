#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "lib/text/pretokenize.h"

namespace r1 {

// How a byte-level BPE tokenizer treats text before it merges: what a GGUF file says by a name.
struct Pretokenizing {
  Pretokenizer pretokenizer;
  bool ignore_merges = false, nfc = false;
  bool operator==(const Pretokenizing&) const = default;
};

struct NamedPretokenizing {
  Pretokenizing before_merging;
  bool begins_with_bos = false;  // where the file does not say
};

// Both look into pretokenizers.json in `data_dir`; nothing when it is not there.
std::optional<NamedPretokenizing> named_pretokenizing(std::string_view name,
                                                      const std::filesystem::path& data_dir);
std::optional<std::string> name_of(const Pretokenizing& wanted,
                                   const std::filesystem::path& data_dir);

}  // namespace r1
