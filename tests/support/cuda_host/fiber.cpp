#include "tests/support/cuda_host/fiber.h"

#include <cstdio>
#include <cstdlib>

#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define R1_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define R1_ASAN 1
#endif
#endif
#ifdef R1_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// Keeps the registers that a call must not change, changes stacks, and returns there.
extern "C" void r1_switch_stack(void** keep, void* go_on);
asm(R"(.text
.globl r1_switch_stack
.type r1_switch_stack,@function
r1_switch_stack:
  endbr64
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size r1_switch_stack,.-r1_switch_stack
.section .note.GNU-stack,"",@progbits
.text
)");

namespace r1::cuda_host {
namespace {

constexpr std::size_t kStackBytes = std::size_t{128} << 10, kGuardBytes = 4096;
constexpr int kSavedRegisters = 6;

void take_stack(Fiber& fiber) {
  void* memory = mmap(nullptr, kStackBytes + kGuardBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kGuardBytes, PROT_NONE) != 0) {
    std::perror("cuda_host: a stack");
    std::abort();
  }
  fiber.stack = static_cast<char*>(memory) + kGuardBytes;
  fiber.stack_bytes = kStackBytes;
  fiber.bottom = fiber.stack;
  fiber.bottom_bytes = kStackBytes;
}

}  // namespace

void prepare(Fiber& fiber, void (*entry)()) {
  if (fiber.stack == nullptr) take_stack(fiber);
#ifdef R1_ASAN
  ASAN_UNPOISON_MEMORY_REGION(fiber.stack, fiber.stack_bytes);
#endif
  // As if entry() had been called and r1_switch_stack had saved its registers: with the return
  // address gone the stack is 8 off a multiple of 16, as it is at the beginning of any function.
  auto** top = reinterpret_cast<void**>(fiber.stack + fiber.stack_bytes - 64);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < kSavedRegisters; ++i) *--top = nullptr;
  fiber.stack_pointer = top;
}

void switch_fiber(Fiber& from, Fiber& to, [[maybe_unused]] bool for_good) {
#ifdef R1_ASAN
  __sanitizer_start_switch_fiber(for_good ? nullptr : &from.fake_stack, to.bottom, to.bottom_bytes);
#endif
  r1_switch_stack(&from.stack_pointer, to.stack_pointer);
#ifdef R1_ASAN
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

void entered([[maybe_unused]] Fiber& from) {
#ifdef R1_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &from.bottom, &from.bottom_bytes);
#endif
}

}  // namespace r1::cuda_host
