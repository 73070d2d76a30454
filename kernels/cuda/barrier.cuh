#pragma once

#include <cstdint>

#include <cuda_runtime.h>

namespace r1::cuda {

// A barrier in shared memory at which some threads arrive and others wait, phase by phase: those
// that fill a buffer, and those that read it. sm_90 and later.
//   PTX ISA, 9.7.13.15 (mbarrier, cp.async.mbarrier.arrive), 9.7.13.4 (fence.proxy.async).
class Barrier {
 public:
  // By one thread, before the block's next __syncthreads. A phase ends with so many arrivals.
  __device__ void start(unsigned arrivals) {
#ifdef __CUDACC__
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(address()), "r"(arrivals)
                 : "memory");
#else
    state_ = {arrivals, arrivals, 0};
#endif
  }

  __device__ void arrive() {
#ifdef __CUDACC__
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(address()) : "memory");
#else
    if (--state_.missing > 0) return;
    state_.missing = state_.arrivals;
    ++state_.phase;
#endif
  }

  // Once all of this thread's copies so far are there.
  __device__ void arrive_when_copied() {
#ifdef __CUDACC__
    asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(address())
                 : "memory");
#else
    cuda_host::commit_copies();
    cuda_host::wait_for_copies(0);
    arrive();
#endif
  }

  // Until phase `phase` has ended; the first is 0, and the one before it has always ended. Those
  // that wait are never two phases behind.
  __device__ void wait(unsigned phase) {
#ifdef __CUDACC__
    unsigned ended = 0;
    while (ended == 0)
      asm volatile(
          "{.reg .pred p;\n mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
          " selp.u32 %0, 1, 0, p;}"
          : "=r"(ended)
          : "r"(address()), "r"(phase & 1u)
          : "memory");
#else
    cuda_host::wait_while([this, phase] { return (state_.phase & 1u) == (phase & 1u); });
#endif
  }

 private:
#ifdef __CUDACC__
  __device__ unsigned address() const {
    return static_cast<unsigned>(__cvta_generic_to_shared(&state_));
  }
  std::uint64_t state_;
#else
  struct {
    unsigned arrivals, missing, phase;
  } state_;
#endif
};

// What this thread has written to shared memory, or has heard of at a barrier, wgmma sees too.
// Waits for this thread's own copies: those that hear do it.
__device__ inline void show_to_tensor_cores() {
#ifdef __CUDACC__
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

}  // namespace r1::cuda
