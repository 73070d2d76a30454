#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/bytes.h"
#include "lib/base/output.h"

namespace r1 {

// A sum of what comes in parts, whatever the parts, that finds what went wrong by accident: XXH3 of
// 128 bits, at the speed of memory. Digests that are for others are SHA-256.
class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;

  void add(ByteSpan bytes);
  void add(const MappedFile& file, ByteSpan part);  // lets go of its pages as it reads them
  std::string hex() const;                          // 32 digits

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Sums of a tensor that is whole.
struct TensorSums {
  std::string read;  // what it was made of: its numbers, and what else decides how they are stored
  std::string written;  // all it takes in the new file
};

// The sums of a run's tensors, first to last, for a later run to know by what it may keep.
class SumJournal {
 public:
  SumJournal() = default;  // in memory alone
  // In a file, too, a line a tensor; it is begun anew with what was kept. Fails with `write`.
  SumJournal(const std::filesystem::path& path, std::vector<TensorSums> kept);

  void add(TensorSums sums);
  const std::vector<TensorSums>& sums() const { return sums_; }

 private:
  std::unique_ptr<Output> out_;
  std::vector<TensorSums> sums_;
};

// How far what a broken run left is what this run would write.
struct ResumePoint {
  std::vector<TensorSums> kept;  // of the first tensors
  std::string why_not = {};      // "NAME is damaged": of the next, where it was noted
};
// Holds what is noted at `path`, if anything, against what `now` finds of the tensors of these
// names; no sum of what was written where that is not whole.
ResumePoint resume_point(const std::filesystem::path& path, const std::vector<std::string>& names,
                         const std::function<TensorSums(std::size_t)>& now);

}  // namespace r1
