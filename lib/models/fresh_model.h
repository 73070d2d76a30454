#pragma once

#include <cstdint>
#include <filesystem>

#include "lib/base/json.h"

namespace r1 {

// Writes a model that has learnt nothing into a folder that is there: config.json and
// model.safetensors, in f32. `config` is a config.json; where it says no vocab_size, `vocab` is
// written there. Matrices are normal with deviation 1 / sqrt(columns), the embedding with 0.02, and
// what adds to the residual stream is smaller by sqrt(2 layers); norms are one, biases zero. DAW's
// forget gates begin with biases evenly from 3 to 7 over the heads of a layer. Fails with `model`
// for a config that no decoder has, or whose vocabulary is smaller than `vocab`.
void write_fresh_model(const Json& config, std::int64_t vocab, std::uint64_t seed,
                       const std::filesystem::path& folder);

}  // namespace r1
