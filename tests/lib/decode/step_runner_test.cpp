// Steps of decoding that a device records give what the same steps give when each is queued anew.
#include "kernels/cuda/cuda_backend.h"
#include "tests/lib/decode/scheduler_scene.h"
#include "tests/support/cuda_host/cuda_runtime.h"

namespace r1 {
namespace {

using test::random_ids;

class Unrecorded : public CudaBackend {
 public:
  Unrecorded() : CudaBackend(BackendOptions{}) {}
  std::unique_ptr<Recording> record() override { return Backend::record(); }
};

class StepRunnerTest : public test::SchedulerTest {
 protected:
  ~StepRunnerTest() override { model_ = {}; }
  std::vector<test::Outcome> run_on(std::unique_ptr<Backend> backend) {
    model_ = {};  // before the backend that it lives on
    backend_ = std::move(backend);
    load({});
    const int before = cuda_host::calls().graph_launches;
    // Two that end at different steps, one of them beyond a page; then one that comes later.
    auto outcomes = run(options(2), {{.prompt = random_ids(1, 3), .max_tokens = 5},
                                     {.prompt = random_ids(2, 60), .max_tokens = 12},
                                     {.prompt = random_ids(3, 2),
                                      .max_tokens = 7,
                                      .sampling = {.temperature = 0.8f, .top_p = 0.9f},
                                      .stream = 3}});
    launches_ = cuda_host::calls().graph_launches - before;
    return outcomes;
  }
  int launches_ = 0;
};

TEST_F(StepRunnerTest, RecordedStepsGiveTheSameBits) {
  const auto want = run_on(std::make_unique<Unrecorded>());
  EXPECT_EQ(launches_, 0);
  EXPECT_EQ(run_on(std::make_unique<CudaBackend>(BackendOptions{})), want);
  EXPECT_GE(launches_, 4);
}

}  // namespace
}  // namespace r1
