#pragma once

#include <memory>
#include <string_view>

#include "lib/text/tokenizer.h"

namespace r1 {

// From GGUF metadata whose `tokenizer.ggml.model` is llama, or from the tokenizer.model of a
// folder, or a tokenizer.json made from one. Text round-trips whatever its bytes. Fails with
// `model`.
std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(const ModelFiles& files);

// The same from the bytes of a tokenizer.model; what a fuzzer calls.
std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(ByteSpan proto, std::string_view name);

}  // namespace r1
