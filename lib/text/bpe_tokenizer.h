#pragma once

#include <filesystem>
#include <memory>

#include "lib/text/tokenizer.h"

namespace r1 {

// Byte-level BPE from GGUF metadata whose `tokenizer.ggml.model` is gpt2, or from the
// tokenizer.json of a directory. Both fail with `model` for what is not read, by name.
std::unique_ptr<Tokenizer> make_bpe_tokenizer(const ModelFiles& files,
                                              const std::filesystem::path& data_dir);
std::unique_ptr<Tokenizer> make_bpe_tokenizer(const ModelFiles& files, Json tokenizer_json);

// The same from the text of a tokenizer.json alone, without BOS and EOS.
std::unique_ptr<Tokenizer> make_bpe_tokenizer(Json tokenizer_json);

}  // namespace r1
