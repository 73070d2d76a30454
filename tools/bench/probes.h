#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <vector>

#include "lib/backend/backend.h"
#include "lib/base/parallel.h"
#include "tools/bench/record.h"

namespace r1 {

using Clock = std::chrono::steady_clock;
double nanoseconds_since(Clock::time_point start);

// What one run of a test has to move and to multiply at the least.
struct Work {
  double bytes = 0;                    // read and written
  double reread = 0;                   // of these, what each step reads again; 0: nothing
  std::map<DType, double> operations;  // by the type of products; a multiply-add is two
  double total_operations() const;
};

// The type of products over a past that is kept in this one, on a backend that is fastest at `half`
// of 16 bits.
inline DType past_products(DType pages, DType half) { return pages == half ? pages : DType::f32; }

struct OpRun;  // op_case.h

// The machine's limits at this moment, by short probes: never figures from a data sheet.
class Probes {
 public:
  // The backend outlives this. `threads` as it runs with. On a card the rate of memory is that of
  // copies larger than its caches, and the rate of products that of a large bf16 product, whatever
  // the type; what concerns threads and caches fails with `device`.
  Probes(Backend& backend, int threads);

  // Bytes a nanosecond when all threads read this many bytes over and over, as a
  // good moment has it: of caches when they fit in there. Takes some 20 ms.
  double read_rate(double bytes);
  double read_rate_of_one_thread(double bytes);
  double copy_rate(double bytes);  // read and written bytes a nanosecond, by memcpy
  // Lays a ring over this many bytes that visits each line of 64 once, in random order; `follow`
  // goes on along it and returns the nanoseconds from one load to the next, which waits for it.
  void make_ring(double bytes);
  double follow();
  // Operations a nanosecond: the most of some bursts of the instructions of `linear`. 0: not known.
  double product_rate(DType weight);
  // Of a card: bytes a nanosecond between it and the host, as copies of the backend go.
  double link_rate(bool to_card);
  // The side of that bf16 product: the first power of two that takes a millisecond, at most 8192.
  std::int64_t product_side();

  // One pass of `threads` threads over this many bytes, each over a part of its own: sums them up,
  // or copies one half of its part to the other. Returns the bytes read and written.
  double pass(double bytes, int threads, bool copies);
  int threads() const { return pool_.threads(); }
  Backend& backend() { return backend_; }
  bool on_host() const { return backend_.device() == Device::cpu; }
  void release() { memory_ = Buffer(); }  // what passes read; the next one takes it again

  // Which limit this work runs into, with both rates as they are now.
  Limit limit_of(const Work& work);

 private:
  std::size_t reserve(double bytes);               // bytes that are there, at most beyond_caches()
  std::size_t part_of(double bytes, int threads);  // the same of each of so many threads
  void piece(std::size_t part, std::size_t from, std::size_t bytes, int threads, bool copies);
  double best_rate(double bytes, int threads, bool copies);
  double rate_of(const OpRun& run, double work);

  Backend& backend_;
  ThreadPool pool_;
  Buffer memory_;
  std::vector<std::uint64_t> sums_;  // what passes return, so that nothing may be left out
  std::uint64_t place_ = 0;          // on the ring
  std::int64_t side_ = 0;            // of the product
};

}  // namespace r1
