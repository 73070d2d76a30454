#include "tests/support/cuda_host/engine.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <new>
#include <vector>

#include "tests/support/cuda_host/fiber.h"

namespace r1::cuda_host {

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace {

constexpr unsigned kWarp = 32;

enum class State : std::uint8_t { fresh, ready, at_block, at_warp, until, done };

struct Copy {
  void* to;
  const void* from;  // null: zeros
  std::size_t bytes;
  int group;
};

struct Thread {
  State state = State::fresh;
  int line = 0;         // where it waits
  bool waited = false;  // for what was queued earlier
  dim3 index;
  Fiber* fiber = nullptr;
  const std::function<bool()>* waits = nullptr;  // until it is false
  std::vector<Copy> copies;                      // on their way to shared memory
  int groups = 0;                                // of copies that have been closed
};

// The collective operation that lanes of a warp are arriving at. Slots of two turns, because a lane
// may be at the next one before all have read what this one brought.
struct Warp {
  unsigned mask = 0, arrived = 0;
  int line = 0, turn = 0;
  alignas(kSlotBytes) std::byte slots[2][kWarp * kSlotBytes];
};

// Where warps or lanes begin, and which way they go on.
class Turns {
 public:
  // Step i of n.
  struct Order {
    unsigned first, n;
    bool backwards;
    unsigned operator()(unsigned i) const { return (first + (backwards ? n - i : i)) % n; }
  };
  Order order(unsigned n) {
    bits_ = bits_ * 6364136223846793005u + 1442695040888963407u;  // Knuth's generator
    const auto high = static_cast<unsigned>(bits_ >> 33);
    return {high / 2 % n, n, high % 2 != 0};
  }
  void restart() { bits_ = 1; }

 private:
  std::uint64_t bits_ = 1;
};

// The block that is running. A fiber whose thread has ended without waiting goes on with the next
// fresh lane of its warp, so that kernels without barriers hardly switch.
struct Block {
  const std::function<void()>* body = nullptr;
  bool early = false;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::deque<Fiber> fibers;
  std::vector<Fiber*> free;
  Fiber scheduler;
  Thread* now = nullptr;
  std::size_t live = 0, at_block = 0;
  bool any = false, any_before = false;  // what any_of_block gathers, and gave last
  Turns turns;
  std::byte* shared = nullptr;
};
Block block;

[[noreturn]] void die(const char* what, int line, int other_line) {
  std::fprintf(stderr, "cuda_host: %s (block %u,%u,%u; lines %d and %d)\n", what, blockIdx.x,
               blockIdx.y, blockIdx.z, line, other_line);
  std::abort();
}

unsigned number_of(const Thread& t) { return static_cast<unsigned>(&t - block.threads.data()); }

void begin(Thread& t, Fiber& fiber) {
  t.state = State::ready;
  t.fiber = &fiber;
  block.now = &t;
  threadIdx = t.index;
}

Thread* next_fresh_lane(unsigned warp) {
  const unsigned end =
      std::min<unsigned>((warp + 1) * kWarp, static_cast<unsigned>(block.threads.size()));
  const Turns::Order order = block.turns.order(end - warp * kWarp);
  for (unsigned i = 0; i < order.n; ++i) {
    Thread& t = block.threads[warp * kWarp + order(i)];
    if (t.state == State::fresh) return &t;
  }
  return nullptr;
}

void fiber_main() {
  entered(block.scheduler);
  Fiber& fiber = *block.now->fiber;
  for (Thread* t = block.now; t != nullptr; t = next_fresh_lane(number_of(*t) / kWarp)) {
    begin(*t, fiber);
    (*block.body)();
    if (block.early && !block.now->waited) die("a kernel queued early does not wait", 0, 0);
    block.now->state = State::done;
    --block.live;
    t = block.now;
  }
  block.free.push_back(&fiber);
  switch_fiber(fiber, block.scheduler, true);
  std::abort();
}

void go_on(Thread& t) {
  if (t.state == State::fresh) {
    if (block.free.empty()) block.free.push_back(&block.fibers.emplace_back());
    Fiber& fiber = *block.free.back();
    block.free.pop_back();
    prepare(fiber, fiber_main);
    begin(t, fiber);
  }
  block.now = &t;
  threadIdx = t.index;
  switch_fiber(block.scheduler, *t.fiber, false);
}

void park(State state, int line) {
  Thread& me = *block.now;
  me.state = state;
  me.line = line;
  switch_fiber(*me.fiber, block.scheduler, false);
}

// Runs each lane that can, once. False: none could.
bool run_warp(unsigned warp) {
  const unsigned first = warp * kWarp;
  const auto all = static_cast<unsigned>(block.threads.size());
  const Turns::Order order = block.turns.order(std::min(kWarp, all - first));
  bool moved = false;
  for (unsigned i = 0; i < order.n; ++i) {
    Thread& t = block.threads[first + order(i)];
    if (t.state == State::until && !(*t.waits)()) t.state = State::ready;
    if (t.state != State::fresh && t.state != State::ready) continue;
    go_on(t);
    moved = true;
  }
  return moved;
}

void release_barrier() {
  int line = 0;
  for (Thread& t : block.threads) {
    if (t.state != State::at_block) continue;
    if (line == 0) line = t.line;
    if (line != t.line) die("threads of a block wait at different barriers", line, t.line);
    t.state = State::ready;
  }
  block.at_block = 0;
  block.any_before = block.any;
  block.any = false;
}

// A warp runs until it can no more, then the next: it gets ahead of the others as far as barriers
// let it.
void run_block() {
  for (Thread& t : block.threads) {
    t.state = State::fresh;
    t.waited = false;
    t.copies.clear();
    t.groups = 0;
  }
  for (Warp& w : block.warps) w.arrived = 0;
  block.live = block.threads.size();
  block.at_block = 0;
  while (block.live > 0) {
    bool moved = false;
    const Turns::Order order = block.turns.order(static_cast<unsigned>(block.warps.size()));
    for (unsigned i = 0; i < order.n; ++i)
      while (run_warp(order(i))) moved = true;
    if (block.live > 0 && block.at_block == block.live)
      release_barrier();
    else if (!moved)
      die("threads wait for others that never come", block.threads[0].line, 0);
  }
}

struct Free {
  void operator()(std::byte* memory) const { operator delete (memory, std::align_val_t{128}); }
};

}  // namespace

void run_grid(dim3 grid, dim3 size, std::size_t dynamic_shared_bytes, bool early,
              const std::function<void()>& body) {
  const std::size_t threads = std::size_t{size.x} * size.y * size.z;
  block.body = &body;
  block.early = early;
  block.threads.assign(threads, {});
  block.warps.resize((threads + kWarp - 1) / kWarp);
  block.turns.restart();
  blockDim = size;
  gridDim = grid;
  for (unsigned i = 0; i < threads; ++i)
    block.threads[i].index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = {x, y, z};
        const std::unique_ptr<std::byte, Free> shared(
            static_cast<std::byte*>(operator new (dynamic_shared_bytes, std::align_val_t{128})));
        std::memset(shared.get(), 0xff, dynamic_shared_bytes);
        block.shared = shared.get();
        run_block();
      }
}

void wait_for_earlier() { block.now->waited = true; }

void* dynamic_shared() { return block.shared; }

int lane() { return static_cast<int>(number_of(*block.now) % kWarp); }

void wait_for_block(int line) {
  ++block.at_block;
  park(State::at_block, line);
}

bool any_of_block(bool predicate, int line) {
  block.any = block.any || predicate;
  wait_for_block(line);
  return block.any_before;
}

const std::byte* exchange_bytes(unsigned mask, const void* value, std::size_t bytes, int line) {
  const unsigned me = number_of(*block.now), first = me / kWarp * kWarp;
  Warp& warp = block.warps[me / kWarp];
  const unsigned bit = 1u << (me - first);
  if ((mask & bit) == 0) die("a lane outside the mask of its collective", line, line);
  if (warp.arrived == 0) {
    warp.mask = mask;
    warp.line = line;
  }
  if (warp.mask != mask) die("lanes of a warp give different masks", warp.line, line);
  if (warp.line != line) die("lanes of a warp are at different collectives", warp.line, line);
  std::byte* slots = warp.slots[warp.turn];
  std::memcpy(slots + (me - first) * kSlotBytes, value, bytes);
  warp.arrived |= bit;
  if (warp.arrived != mask) {
    park(State::at_warp, line);
    return slots;
  }
  warp.arrived = 0;
  warp.turn ^= 1;
  for (unsigned i = first; i < std::min<std::size_t>(first + kWarp, block.threads.size()); ++i)
    if (block.threads[i].state == State::at_warp) block.threads[i].state = State::ready;
  return slots;
}

void copy_later(void* to, const void* from, std::size_t bytes) {
  block.now->copies.push_back({to, from, bytes, block.now->groups});
}

void commit_copies() { ++block.now->groups; }

void wait_for_copies(int left) {
  Thread& me = *block.now;
  const auto done = [&](const Copy& c) { return c.group < me.groups - left; };
  for (const Copy& c : me.copies) {
    if (!done(c)) continue;
    if (c.from != nullptr)
      std::memcpy(c.to, c.from, c.bytes);
    else
      std::memset(c.to, 0, c.bytes);
  }
  std::erase_if(me.copies, done);
}

void wait_while(const std::function<bool()>& waits) {
  if (!waits()) return;
  block.now->waits = &waits;
  park(State::until, __LINE__);
}

void wait_for_warp(unsigned mask, int line) { exchange_bytes(mask, &mask, sizeof mask, line); }

}  // namespace r1::cuda_host
