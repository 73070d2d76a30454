#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "lib/train/dataset.h"
#include "lib/train/packing.h"
#include "tools/finetune/settings.h"

namespace r1 {

// All data of a run, in tokens and in packs.
class Lessons {
 public:
  Lessons(const FinetuneSettings& settings, const TextForms& forms);
  Lessons(const Lessons&) = delete;  // packs point into the data
  Lessons& operator=(const Lessons&) = delete;

  const Packer& packs() const { return packs_; }
  const Packer& val_packs() const { return val_packs_; }
  std::int64_t epoch() const { return packs_.first_of_epoch(1); }          // packs
  std::int64_t val_count() const { return val_packs_.first_of_epoch(1); }  // likewise
  // So many of them are measured: by chance, the same ones in every run.
  std::int64_t val_measured() const { return std::min(kMostMeasured, val_count()); }
  std::int64_t samples() const { return std::ssize(data_.samples); }
  std::int64_t measured() const { return std::ssize(val_.samples); }
  bool has_texts() const { return data_.texts > 0; }  // plain ones
  std::int64_t tokens() const { return data_.tokens; }
  std::int64_t trained() const { return data_.trained; }
  const TrainingSample& first() const { return data_.samples[0]; }
  // The first packs of what is measured, or else of what is learnt.
  std::vector<Pack> some(std::int64_t count) const;
  // "5 too long"; empty: nothing is left out.
  std::string not_learnt() const;
  std::string not_measured() const;
  std::string described() const;  // one line

 private:
  static constexpr std::int64_t kMostMeasured = 64;  // packs

  Dataset data_, val_;
  Packer packs_, val_packs_;
};

}  // namespace r1
