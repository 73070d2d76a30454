#pragma once

#include <cstdint>
#include <filesystem>

#include "lib/io/gguf.h"
#include "lib/io/weights.h"

namespace r1 {

// The keys tokenizer.* of a GGUF file for the vocabulary and chat template of a Hugging Face
// folder. Rows of the embedding behind the vocabulary become unused tokens, [PAD7]. Fails with
// `model` for a tokenizer that does not run here, and for one that such keys cannot say: likeliest
// pieces, mapped characters, a pre-tokenizer without a name in the pretokenizers.json of
// `data_dir`. What does not fit in is left out: that an added token takes spaces along.
GgufMetadata gguf_vocabulary(const ModelFiles& folder, std::int64_t rows,
                             const std::filesystem::path& data_dir);

}  // namespace r1
