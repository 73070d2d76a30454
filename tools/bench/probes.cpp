#include "tools/bench/probes.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/random.h"
#include "tools/bench/card_runs.h"
#include "tools/bench/machine.h"
#include "tools/bench/statistics.h"

namespace r1 {
namespace {

constexpr std::size_t kLeastProbed = 32 << 10;
constexpr std::size_t kSumStep = 8;                   // words: no two sums in a line
constexpr std::size_t kGrain = 512;                   // what a thread reads is a multiple of it
constexpr std::size_t kPiece = std::size_t{4} << 20;  // of each thread: 0.15 ms
constexpr double kLongEnough = 20e6, kBurst = 1e6;    // nanoseconds

// Work a nanosecond, where `burst` does so many rounds and returns the work done: the best of 20
// milliseconds, of five at least. Bursts grow until waking the threads or the card does not count,
// nor waiting for a processor that others use: twice the rounds take more than half as long again.
double best_of_bursts(const std::function<double(std::int64_t)>& burst) {
  constexpr int kLeastBursts = 5;  // the first may be one that was kept waiting
  double best = 0;
  int bursts = 0;
  std::int64_t rounds = 1;
  double half = 0;  // what half the rounds took
  const auto start = Clock::now();
  do {
    const auto begin = Clock::now();
    const double done = burst(rounds);
    const double taken = nanoseconds_since(begin);
    if (!(done > 0)) return 0;
    if (rounds == 1 || taken < kBurst || taken < 1.5 * half) {
      half = taken;
      rounds *= 2;
      bursts = 0;
    } else {
      best = std::max(best, done / taken);
      ++bursts;
    }
  } while (bursts < kLeastBursts || nanoseconds_since(start) < kLongEnough);
  return best;
}

using Lanes [[gnu::vector_size(16)]] = std::uint64_t;

// Eight sums over both halves at once. Vectors are said outright: plain words are summed one by one
// where this is compiled with -O1, at 57 GB/s in place of 100 out of the third cache of one Zen 4
// core. A second stream reads 8 % more out of memory, and wider vectors nothing more.
std::uint64_t sum_of(const std::byte* p, std::size_t bytes) {
  constexpr std::size_t kSums = 8;
  Lanes sums[kSums] = {};
  const std::size_t half = bytes / 2 / sizeof sums * sizeof sums;
  const auto add = [&sums](const std::byte* from) {
#pragma GCC unroll 8
    for (std::size_t k = 0; k < kSums; ++k) {
      Lanes v;
      std::memcpy(&v, from + k * sizeof v, sizeof v);
      sums[k] += v;
    }
  };
  for (std::size_t at = 0; at < half; at += sizeof sums) {
    add(p + at);
    add(p + half + at);
  }
  Lanes all = {};
  for (const Lanes& sum : sums) all += sum;
  return all[0] + all[1];
}

}  // namespace

double nanoseconds_since(Clock::time_point start) {
  return static_cast<double>(std::chrono::nanoseconds(Clock::now() - start).count());
}

double Work::total_operations() const {
  double total = 0;
  for (const auto& [type, count] : operations) total += count;
  return total;
}

Probes::Probes(Backend& backend, int threads)
    : backend_(backend),
      pool_(threads),
      sums_(kSumStep * static_cast<std::size_t>(pool_.threads())) {}

// Each thread touches a part, so that memory is near those that read it.
std::size_t Probes::reserve(double bytes) {
  if (!on_host()) fail(ErrorKind::device, "a card's memory is not read by threads of the host");
  const auto wanted =
      static_cast<std::size_t>(std::clamp(bytes, double{kLeastProbed}, beyond_caches()));
  const std::size_t whole = (wanted + 4095) / 4096 * 4096;
  if (memory_.bytes() < whole) {
    memory_ = Buffer(backend_, whole);
    auto* const memory = static_cast<std::byte*>(memory_.data());
    pool_.for_ranges(static_cast<std::int64_t>(whole), 4096,
                     [memory](std::int64_t begin, std::int64_t end) {
                       std::memset(memory + begin, 1, static_cast<std::size_t>(end - begin));
                     });
  }
  return whole;
}

std::size_t Probes::part_of(double bytes, int threads) {
  const auto count = static_cast<std::size_t>(threads);
  const std::size_t whole = reserve(std::max(bytes, static_cast<double>(count * kGrain)));
  return whole / count / kGrain * kGrain;
}

// Reads or copies `bytes` of each thread's part, from `from` on; parts that are shorter are taken
// again and again.
void Probes::piece(std::size_t part, std::size_t from, std::size_t bytes, int threads,
                   bool copies) {
  pool_.run([&](int thread) {
    if (thread >= threads) return;
    auto* const mine =
        static_cast<std::byte*>(memory_.data()) + part * static_cast<std::size_t>(thread);
    for (std::size_t done = 0; done < bytes;) {
      const std::size_t n = std::min(bytes - done, part - from);
      if (copies)
        std::memcpy(mine + from + n / 2, mine + from, n / 2);
      else
        sums_[static_cast<std::size_t>(thread) * kSumStep] += sum_of(mine + from, n);
      done += n;
    }
  });
}

double Probes::pass(double bytes, int threads, bool copies) {
  const std::size_t part = part_of(bytes, threads);
  for (std::size_t at = 0; at < part; at += kPiece)
    piece(part, at, std::min(kPiece, part - at), threads, copies);
  return static_cast<double>(part) * threads;
}

// Of pieces of a fraction of a millisecond, nine of ten are slower: on a machine with other work
// some are undisturbed, and one alone could be luck.
double Probes::best_rate(double bytes, int threads, bool copies) {
  const std::size_t part = part_of(bytes, threads);
  const std::size_t pieces = (part + kPiece - 1) / kPiece;  // alike, so that they cover the part
  const std::size_t taken = pieces == 1 ? kPiece : part / pieces / kGrain * kGrain;
  std::vector<double> rates;
  const auto start = Clock::now();
  for (std::size_t at = 0; nanoseconds_since(start) < kLongEnough; at += taken) {
    if (at + taken > part) at = 0;
    const auto begin = Clock::now();
    piece(part, at, taken, threads, copies);
    rates.push_back(static_cast<double>(taken) * threads / nanoseconds_since(begin));
  }
  return quantile(rates, 0.9);
}

double Probes::read_rate(double bytes) {
  return on_host() ? best_rate(bytes, pool_.threads(), false) : copy_rate(bytes);
}
double Probes::read_rate_of_one_thread(double bytes) { return best_rate(bytes, 1, false); }
double Probes::copy_rate(double bytes) {
  if (on_host()) return best_rate(bytes, pool_.threads(), true);
  OpInputs inputs(backend_);
  const OpRun copy = card_copy(inputs);
  return rate_of(copy, copy.work.bytes);
}

// Sattolo's shuffle: one ring, none left out.
void Probes::make_ring(double bytes) {
  const std::size_t lines = reserve(bytes) / 64;
  auto* const words = static_cast<std::uint64_t*>(memory_.data());
  for (std::size_t i = 0; i < lines; ++i) words[8 * i] = 8 * i;
  for (std::size_t i = lines - 1; i > 0; --i)
    std::swap(words[8 * i], words[8 * (random_bits(1, 0, i) % i)]);
  place_ = 0;
}

double Probes::follow() {
  constexpr int kSteps = 100'000;
  const auto* const words = static_cast<const std::uint64_t*>(memory_.data());
  const auto start = Clock::now();
  for (int i = 0; i < kSteps; ++i) place_ = words[place_];
  const double taken = nanoseconds_since(start) / kSteps;
  return taken;
}

double Probes::product_rate(DType weight) {
  if (on_host())
    return best_of_bursts(
        [&](std::int64_t rounds) { return backend_.multiply_in_registers(weight, rounds); });
  OpInputs inputs(backend_);
  const OpRun product = card_product(inputs, product_side());
  return rate_of(product, product.work.total_operations());
}

double Probes::link_rate(bool to_card) {
  OpInputs inputs(backend_);
  const OpRun copy = link_copy(inputs, to_card);
  return rate_of(copy, copy.work.bytes);
}

// Queued one behind the other and waited for once, so that a burst has one wait in it.
double Probes::rate_of(const OpRun& run, double work) {
  return best_of_bursts([&](std::int64_t rounds) {
    for (std::int64_t i = 0; i < rounds; ++i) run.run();
    backend_.synchronize();
    return work * static_cast<double>(rounds);
  });
}

std::int64_t Probes::product_side() {
  constexpr std::int64_t kLeastSide = 128, kMostSide = 8192;
  const auto takes = [&](std::int64_t side) {
    OpInputs inputs(backend_);
    const OpRun product = card_product(inputs, side);
    product.run();  // the first loads the kernel
    backend_.synchronize();
    const auto start = Clock::now();
    product.run();
    backend_.synchronize();
    return nanoseconds_since(start);
  };
  if (side_ == 0)
    for (side_ = kLeastSide; side_ < kMostSide && takes(side_) < kBurst; side_ *= 2)
      if (product_bytes(2 * side_) > room_on(backend_)) break;
  return side_;
}

Limit Probes::limit_of(const Work& work) {
  Limit limit{.name = "memory"};
  double products_ns = 0;
  for (const auto& [type, count] : work.operations) {
    const double rate = on_host()         ? product_rate(type)
                        : is_float8(type) ? 2 * product_rate(DType::bf16)
                                          : product_rate(DType::bf16);
    if (rate > 0) products_ns += count / rate;
  }
  if (work.bytes > 0) limit.gb_per_s = read_rate(work.reread > 0 ? work.reread : work.bytes);
  const double memory_ns = limit.gb_per_s > 0 ? work.bytes / limit.gb_per_s : 0;
  if (products_ns > 0) limit.tflop_per_s = work.total_operations() / products_ns / 1e3;
  if (products_ns > memory_ns) limit.name = "products";
  limit.floor_ns = std::max(products_ns, memory_ns);
  return limit;
}

}  // namespace r1
