#pragma once

#include <cstddef>
#include <functional>
#include <type_traits>

namespace r1::cuda_host {

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

// Of the thread that runs now.
extern dim3 threadIdx, blockIdx, blockDim, gridDim;

// Runs body once for each thread of each block, one block after another. Threads are fibers: one
// runs until it waits or ends. Warps and lanes take turns in an order that looks random and is the
// same in every run. A barrier that some threads never reach ends the process with a message; so
// does a thread of an `early` grid that ends without having waited for what was queued earlier.
void run_grid(dim3 grid, dim3 block, std::size_t dynamic_shared_bytes, bool early,
              const std::function<void()>& body);
void wait_for_earlier();

// The block's dynamic shared memory, of exactly the size asked for, all NaN at first.
void* dynamic_shared();

// `line` tells one place in the source from another: threads that wait together wait at one place.
void wait_for_block(int line);
bool any_of_block(bool predicate, int line);
void wait_for_warp(unsigned mask, int line);
// Goes on once `waits` is false: what another thread does to shared memory ends it.
void wait_while(const std::function<bool()>& waits);
int lane();

// Asynchronous copies to shared memory: nothing of them is there before this thread has waited for
// all but the last `left` groups that it closed. `from` null: zeros.
void copy_later(void* to, const void* from, std::size_t bytes);
void commit_copies();
void wait_for_copies(int left);

inline constexpr std::size_t kSlotBytes = 64;
// Returns the values of all 32 lanes, kSlotBytes apart; good until this lane's exchange after next.
const std::byte* exchange_bytes(unsigned mask, const void* value, std::size_t bytes, int line);

template <typename T>
struct Lanes {
  const std::byte* slots;
  const T& of(int lane) const {
    return *reinterpret_cast<const T*>(slots + static_cast<std::size_t>(lane) * kSlotBytes);
  }
};
template <typename T>
Lanes<T> exchange(unsigned mask, const T& value, int line) {
  static_assert(sizeof(T) <= kSlotBytes && std::is_trivially_copyable_v<T>);
  return {exchange_bytes(mask, &value, sizeof value, line)};
}

}  // namespace r1::cuda_host
