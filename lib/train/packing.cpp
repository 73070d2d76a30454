#include "lib/train/packing.h"

#include <algorithm>

#include "lib/train/permutation.h"

namespace r1 {
namespace {

constexpr std::int64_t kWindow = 1024;  // samples

// Each document has a row less than tokens: nothing follows its last one.
std::int64_t rows_of(const TrainingSample& sample) {
  return static_cast<std::int64_t>(sample.ids.size()) - (sample.rejected > 0 ? 2 : 1);
}

// The tokens [begin, end) of a sample.
void add_document(Pack& pack, const TrainingSample& sample, std::size_t begin, std::size_t end) {
  const auto first = static_cast<std::int32_t>(pack.rows());
  for (std::size_t t = begin; t + 1 < end; ++t) {
    pack.ids.push_back(sample.ids[t]);
    pack.position.push_back(static_cast<std::int32_t>(t - begin));
    pack.start.push_back(first);
    pack.target.push_back(sample.trained[t + 1] != 0 ? sample.ids[t + 1] : -1);
  }
}

}  // namespace

std::int64_t Pack::trained() const {
  return std::count_if(target.begin(), target.end(), [](std::int32_t id) { return id >= 0; });
}

void Pack::append(const Pack& more) {
  const auto shift = static_cast<std::int32_t>(rows());
  ids.insert(ids.end(), more.ids.begin(), more.ids.end());
  position.insert(position.end(), more.position.begin(), more.position.end());
  target.insert(target.end(), more.target.begin(), more.target.end());
  for (const std::int32_t row : more.start) start.push_back(row + shift);
  for (const Pair& p : more.pairs)
    pairs.push_back({p.chosen + shift, p.rejected + shift, p.end + shift, p.sample});
}

void Pack::fill_up(std::int64_t whole) {
  while (rows() % whole != 0) {
    start.push_back(static_cast<std::int32_t>(rows()));
    ids.push_back(ids.front());
    position.push_back(0);
    target.push_back(-1);
  }
}

Packer::Packer(const std::vector<TrainingSample>& samples, std::int64_t length, bool together,
               std::uint64_t seed)
    : samples_(samples), length_(length), together_(together), seed_(seed), firsts_{0} {}

Packer::Epoch Packer::make(std::int64_t epoch, std::int64_t first) const {
  Epoch made{first, {}};
  const auto count = static_cast<std::int64_t>(samples_.size());
  std::vector<std::int64_t> room;  // left in each pack of this window
  for (std::int64_t place = 0; place < count; ++place) {
    if (place % kWindow == 0) room.clear();
    const std::int64_t sample = permuted(place, count, seed_, static_cast<std::uint64_t>(epoch));
    const std::int64_t rows = rows_of(samples_[static_cast<std::size_t>(sample)]);
    auto fit = room.end();
    if (together_)
      fit = std::find_if(room.begin(), room.end(), [&](std::int64_t r) { return r >= rows; });
    if (fit == room.end()) {
      room.push_back(length_ - rows);
      made.packs.push_back({sample});
    } else {
      *fit -= rows;
      const auto back = room.end() - fit;
      (made.packs.end() - back)->push_back(sample);
    }
  }
  return made;
}

std::int64_t Packer::first_of_epoch(std::int64_t epoch) const {
  while (std::ssize(firsts_) <= epoch) {
    number_ = std::ssize(firsts_) - 1;
    epoch_ = make(number_, firsts_.back());
    firsts_.push_back(firsts_.back() + std::ssize(epoch_.packs));
  }
  return firsts_[static_cast<std::size_t>(epoch)];
}

const Packer::Epoch& Packer::epoch_of(std::int64_t n) const {
  while (firsts_.back() <= n) first_of_epoch(std::ssize(firsts_));
  const auto next = std::upper_bound(firsts_.begin(), firsts_.end(), n);
  const std::int64_t epoch = next - firsts_.begin() - 1;
  if (epoch != number_) {
    epoch_ = make(epoch, first_of_epoch(epoch));
    number_ = epoch;
  }
  return epoch_;
}

Pack Packer::pack(std::int64_t n) const {
  const Epoch& epoch = epoch_of(n);
  Pack pack;
  for (const std::int64_t s : epoch.packs[static_cast<std::size_t>(n - epoch.first)]) {
    const TrainingSample& sample = samples_[static_cast<std::size_t>(s)];
    const auto chosen = static_cast<std::int32_t>(pack.rows());
    if (sample.rejected == 0) {
      add_document(pack, sample, 0, sample.ids.size());
      continue;
    }
    add_document(pack, sample, 0, sample.rejected);
    const auto rejected = static_cast<std::int32_t>(pack.rows());
    add_document(pack, sample, sample.rejected, sample.ids.size());
    pack.pairs.push_back({chosen, rejected, static_cast<std::int32_t>(pack.rows()), &sample});
  }
  return pack;
}

}  // namespace r1
