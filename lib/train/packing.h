#pragma once

#include <cstdint>
#include <iterator>
#include <vector>

#include "lib/train/dataset.h"

namespace r1 {

// A row of training: documents one behind the other, none of which sees another. All [T].
struct Pack {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> position;  // in its document
  std::vector<std::int32_t> start;     // the first row of its document
  std::vector<std::int32_t> target;    // the token that follows; -1: not learnt

  // Two documents, one behind the other, of which the second is liked less.
  struct Pair {
    std::int32_t chosen = 0, rejected = 0, end = 0;  // rows
    const TrainingSample* sample = nullptr;
  };
  std::vector<Pair> pairs;  // all documents, or none

  std::int64_t rows() const { return static_cast<std::int64_t>(ids.size()); }
  std::int64_t trained() const;  // rows with a target
  // What the sum of losses is divided by.
  std::int64_t counted() const { return pairs.empty() ? trained() : std::ssize(pairs); }
  void append(const Pack& more);
  // Rows of nothing learnt, up to a whole number of `rows`: each is a document like the first row,
  // so that it changes no largest number of a matrix.
  void fill_up(std::int64_t rows);
};

// Puts samples together in rows of at most `length`, and these in an order without end: epoch after
// epoch, each sample once in each, in an order of its own. Which samples stand in pack n depends on
// the samples, the length, the seed and n alone, so that n is all that must be known to go on.
class Packer {
 public:
  // First fit over 1,024 samples at a time; with `together` false each sample is a pack. The
  // samples outlive it, are at least one, and at most `length` + 1 tokens each.
  Packer(const std::vector<TrainingSample>& samples, std::int64_t length, bool together,
         std::uint64_t seed);

  Pack pack(std::int64_t n) const;
  // The first pack of an epoch, from 0.
  std::int64_t first_of_epoch(std::int64_t epoch) const;

 private:
  struct Epoch {
    std::int64_t first = 0;                        // pack
    std::vector<std::vector<std::int64_t>> packs;  // samples of each
  };
  const Epoch& epoch_of(std::int64_t n) const;
  Epoch make(std::int64_t epoch, std::int64_t first) const;

  const std::vector<TrainingSample>& samples_;
  std::int64_t length_;
  bool together_;
  std::uint64_t seed_;
  mutable std::vector<std::int64_t> firsts_;  // of the epochs seen so far, and of the next
  mutable std::int64_t number_ = -1;          // of the epoch that is at hand
  mutable Epoch epoch_;
};

}  // namespace r1
