// A decoding step as a CUDA graph: one call of the driver for some hundred kernels.
#include <memory>

#include "kernels/cuda/check.h"
#include "kernels/cuda/cuda_backend.h"
#include "lib/base/error.h"

namespace r1 {

using cuda::check;

// The first run only queues: it loads kernels and makes `scratch` large enough, which a graph
// cannot hold. The second is recorded, and every later one is the graph alone.
class CudaRecording : public Recording {
 public:
  explicit CudaRecording(CudaBackend& backend) : backend_(backend) {}
  ~CudaRecording() override { forget(); }
  CudaRecording(const CudaRecording&) = delete;
  CudaRecording& operator=(const CudaRecording&) = delete;

  void run(const std::function<void()>& queue) override {
    if (scratch_ != backend_.scratch_) forget();  // the graph's kernels write where it was
    if (graph_ == nullptr && !ran_) {
      queue();
      ran_ = true;
      return;
    }
    if (graph_ == nullptr) capture(queue);
    check(cudaGraphLaunch(graph_, backend_.stream_), "a recorded step");
  }

 private:
  void capture(const std::function<void()>& queue) {
    check(cudaStreamBeginCapture(backend_.stream_, cudaStreamCaptureModeThreadLocal), "record");
    backend_.recording_ = true;
    cudaGraph_t calls = nullptr;
    try {
      queue();
    } catch (...) {
      backend_.recording_ = false;
      cudaStreamEndCapture(backend_.stream_, &calls);
      cudaGraphDestroy(calls);
      throw;
    }
    backend_.recording_ = false;
    check(cudaStreamEndCapture(backend_.stream_, &calls), "record");
    const cudaError_t made = cudaGraphInstantiate(&graph_, calls, 0);
    cudaGraphDestroy(calls);
    check(made, "record");
    scratch_ = backend_.scratch_;
  }

  void forget() {
    if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
    graph_ = nullptr;
    scratch_ = backend_.scratch_;
  }

  CudaBackend& backend_;
  bool ran_ = false;
  const void* scratch_ = nullptr;
  cudaGraphExec_t graph_ = nullptr;
};

std::unique_ptr<Recording> CudaBackend::record() { return std::make_unique<CudaRecording>(*this); }

}  // namespace r1
