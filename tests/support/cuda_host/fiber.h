#pragma once

#include <cstddef>

namespace r1::cuda_host {

// A place on a stack where work can stop and go on. x86-64 and AArch64.
struct Fiber {
  void* stack_pointer = nullptr;
  char* stack = nullptr;  // its lowest byte; null: the stack of the program itself
  std::size_t stack_bytes = 0;
  void* fake_stack = nullptr;    // of the address sanitizer
  const void* bottom = nullptr;  // as the sanitizer knows it
  std::size_t bottom_bytes = 0;
};

// Makes `fiber` begin with entry(), which never returns, on a stack of its own.
void prepare(Fiber& fiber, void (*entry)());
// Stops `from` here and goes on with `to`. for_good: `from` will not be gone on with.
void switch_fiber(Fiber& from, Fiber& to, bool for_good);
// The first thing that an entry() does; `from` is who switched to it.
void entered(Fiber& from);

}  // namespace r1::cuda_host
