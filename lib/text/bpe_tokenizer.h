#pragma once

#include <filesystem>
#include <memory>

#include "lib/text/tokenizer.h"

namespace r1 {

// Byte-level BPE from tokenizer.json, or from GGUF metadata whose `tokenizer.ggml.model` is gpt2
// (MODELS.md 9.1 to 9.3). Fails with `model` for what is not read, by name.
std::unique_ptr<Tokenizer> make_bpe_tokenizer(const ModelFiles& files,
                                              const std::filesystem::path& data_dir);

// The same from the text of a tokenizer.json alone, without BOS and EOS.
std::unique_ptr<Tokenizer> make_bpe_tokenizer(Json tokenizer_json);

}  // namespace r1
