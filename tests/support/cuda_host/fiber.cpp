#include "tests/support/cuda_host/fiber.h"

#include <algorithm>
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

// Keeps the registers that a call must not change in a frame on the stack, changes stacks, and
// returns there.
extern "C" void r1_switch_stack(void** keep, void* go_on);
#if defined(__x86_64__)
namespace {
constexpr int kFrameWords = 8, kReturnWord = 6;  // the last stands for who called entry()
}
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
#elif defined(__aarch64__)
namespace {
constexpr int kFrameWords = 20, kReturnWord = 11;
}
asm(R"(.text
.globl r1_switch_stack
.type r1_switch_stack,%function
r1_switch_stack:
  sub sp, sp, #160
  stp x19, x20, [sp]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size r1_switch_stack,.-r1_switch_stack
.section .note.GNU-stack,"",%progbits
.text
)");
#else
#error "a stack switch for this processor is missing"
#endif

namespace r1::cuda_host {
namespace {

constexpr std::size_t kStackBytes = std::size_t{128} << 10, kGuardBytes = 4096;

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
  // As if entry() had been called and r1_switch_stack had saved its registers. With the frame gone
  // the stack is as it is at the beginning of any function: a multiple of 16, or after the call of
  // x86-64 8 off one.
  auto** frame = reinterpret_cast<void**>(fiber.stack + fiber.stack_bytes - 64) - kFrameWords;
  std::fill_n(frame, kFrameWords, nullptr);
  frame[kReturnWord] = reinterpret_cast<void*>(entry);
  fiber.stack_pointer = frame;
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
