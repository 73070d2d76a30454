#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>

namespace r1::cpu {

// Memory for weights and activations, on huge pages: out of ordinary ones a row of bf16 weights
// streams at half the speed. Pieces of 64 kB and more share slabs of 32 MiB, one behind the other;
// a slab is given back with its last piece. Larger pieces stand alone. Thread-safe.
class Slabs {
 public:
  Slabs() = default;
  ~Slabs();
  Slabs(const Slabs&) = delete;
  Slabs& operator=(const Slabs&) = delete;

  void* allocate(std::size_t bytes);  // aligned to 64; null when there is no memory
  void release(void* memory);

 private:
  struct Slab {
    std::size_t used = 0, pieces = 0;
  };

  std::mutex mutex_;
  std::map<std::byte*, Slab, std::less<>> slabs_;  // by address
  std::byte* open_ = nullptr;                      // the one that is being filled; null: none
};

}  // namespace r1::cpu
