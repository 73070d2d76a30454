#pragma once

#include <memory>
#include <vector>

#include "lib/models/adapter.h"
#include "lib/train/trainer.h"
#include "tests/support/backends.h"
#include "tests/support/tiny.h"

namespace r1::test {

// The tiny Llama, which stays as it is, and the LoRA that is taught beside it.
class AdapterPupil {
 public:
  AdapterPupil(const Candidate& candidate, const std::vector<TrainingSample>& samples,
               std::int64_t length, const TrainOptions& options)
      : backend_(candidate.open()),
        files_(ModelFiles::open(kTiny / "llama")),
        params_(*backend_, files_, {.compute = DType::f32}),
        network_(load_network(files_, params_)),
        adapter_(Adapter::fresh(*backend_, params_, files_, {.rank = 3})),
        samples_(samples),
        packer_(samples_, length, true, 5),
        trainer_(*backend_, {*network_, adapter_.weights(), &adapter_.matrices(), &newline_},
                 packer_, options) {}

  Backend& backend() { return *backend_; }
  Trainer& trainer() { return trainer_; }
  const Packer& packer() const { return packer_; }

 private:
  std::unique_ptr<Backend> backend_;
  ModelFiles files_;
  Params params_;
  std::unique_ptr<Network> network_;
  Adapter adapter_;
  std::vector<std::uint8_t> newline_;  // not looked at
  std::vector<TrainingSample> samples_;
  Packer packer_;
  Trainer trainer_;
};

}  // namespace r1::test
