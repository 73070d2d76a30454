#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/backend/backend.h"
#include "lib/io/safetensors.h"

namespace r1 {

// Digests of what the steps of a run depend on; `model`: what its weights and moments are of.
struct Recipe {
  std::string model, data, options;
};

// Where a run stood after some steps: a folder "step-00001200" with state.safetensors and
// manifest.json, which says the SHA-256 of the other: without one that fits it does not exist.
// Tensors are plain ones on the backend's device.
struct Checkpoints {
  std::filesystem::path folder;  // of all of them; where one is read, it may be that one
  Recipe recipe;                 // another is not gone on with; an empty part of it fits any
  std::int64_t keep = 3;         // so many newest stay; 0: all

  struct Progress {
    std::int64_t step = 0;
    std::map<std::string, double> numbers;  // whatever else is gone on with
  };
  // Fails with `write`, and leaves all as it was. What was there under this name is replaced once
  // there is another.
  void save(Backend& backend, const Progress& progress,
            const std::vector<NamedTensor>& state) const;
  // Reads the newest whole one into the tensors; nothing when there is none. `damaged` gets the
  // names of those that were passed over. Fails with `usage` for one of another recipe, and as
  // reading does for one that is not damaged and cannot be read, as `perm`. Older ones than are
  // kept go, as after `save`.
  std::optional<Progress> load(Backend& backend, const std::vector<NamedTensor>& state,
                               std::vector<std::string>& damaged) const;
  // The newest with a manifest.
  struct Label {
    std::int64_t step = 0;
    Recipe recipe;
  };
  std::optional<Label> newest() const;
  bool any() const { return newest().has_value(); }
  std::uint64_t bytes() const;  // of all of them on disk
  void remove_all() const;
};

}  // namespace r1
