// Times the bare network of a model, one command a line on stdin, nanoseconds a line on stdout:
//   network_speed MODEL.gguf THREADS
//   prefill N       one pass over N positions, logits of the last one
//   decode N        N steps of one position
//   batch S N       N steps of S sequences at once
//   probe           one read of 512 MiB: nanoseconds
// scripts/bench/complete_vs_llamacpp.py drives it turn by turn with a peer.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "lib/backend/open_backend.h"
#include "lib/base/error.h"
#include "lib/base/parallel.h"
#include "lib/models/network.h"

namespace r1 {
namespace {

constexpr std::int64_t kContext = 2048;

class Runner {
 public:
  Runner(const std::string& path, int threads)
      : backend_(open_backend("cpu", {.threads = threads})),
        files_(ModelFiles::open(path)),
        params_(*backend_, files_, {}),
        network_(load_network(files_, params_)),
        arena_(*backend_),
        cache_(*backend_, kv_shape(), kMostSequences * kContext / kPageTokens) {}

  // One pass: `rows` positions of each of `sequences` sequences, from `position` on.
  void step(std::int64_t sequences, std::int64_t rows, std::int64_t position) {
    std::vector<std::int32_t> ids, positions, starts, sequence, wanted, newline;
    for (std::int64_t s = 0; s < sequences; ++s) {
      for (std::int64_t r = 0; r < rows; ++r) {
        ids.push_back(static_cast<std::int32_t>(300 + (s * 7919 + (position + r) * 31) % 20000));
        positions.push_back(static_cast<std::int32_t>(position + r));
        starts.push_back(static_cast<std::int32_t>(s * rows));
        sequence.push_back(static_cast<std::int32_t>(s));
        newline.push_back(0);
      }
      wanted.push_back(static_cast<std::int32_t>((s + 1) * rows - 1));
    }
    arena_.reset();
    Graph g(*backend_, arena_);
    Rows step{
        .ids = g.integers(ids), .position = g.integers(positions), .start = g.integers(starts)};
    step.newline = g.integers(newline);
    step.wanted = g.integers(wanted);
    step.cache = &cache_;
    step.sequence = g.integers(sequence);
    step.table = g.integers(table(sequences)).reshaped({sequences, kContext / kPageTokens});
    const Var logits = network_->forward(g, step);
    std::vector<float> out(static_cast<std::size_t>(logits.value.shape.elements()));
    backend_->copy_to_host(out.data(), logits.value);
  }

 private:
  static constexpr std::int64_t kMostSequences = 16;

  KvShape kv_shape() const {
    KvShape kv = network_->shape().kv;
    kv.dtype = DType::bf16;
    return kv;
  }
  static std::vector<std::int32_t> table(std::int64_t sequences) {
    std::vector<std::int32_t> pages(static_cast<std::size_t>(sequences * kContext / kPageTokens));
    std::iota(pages.begin(), pages.end(), 0);
    return pages;
  }

  std::unique_ptr<Backend> backend_;
  ModelFiles files_;
  Params params_;
  std::unique_ptr<Network> network_;
  Arena arena_;
  KvCache cache_;
};

template <typename Body>
std::int64_t nanoseconds(Body&& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
}

// Reads 512 MiB once over the threads: what memory gives at this moment.
std::int64_t probe(ThreadPool& pool, const std::vector<std::uint64_t>& memory) {
  std::vector<std::uint64_t> sums(64);
  const std::int64_t ns = nanoseconds([&] {
    pool.run([&](int thread) {
      const std::size_t n = memory.size() / static_cast<std::size_t>(pool.threads());
      const std::uint64_t* part = memory.data() + n * static_cast<std::size_t>(thread);
      std::uint64_t a = 0, b = 0, c = 0, d = 0;
      for (std::size_t i = 0; i + 32 <= n; i += 32)
        for (std::size_t k = 0; k < 32; k += 4)
          a += part[i + k], b += part[i + k + 1], c += part[i + k + 2], d += part[i + k + 3];
      sums[static_cast<std::size_t>(thread) % 64] = a + b + c + d;
    });
  });
  return sums[0] == 1 ? ns + 1 : ns;  // the sum must not be thrown away
}

void serve(const std::string& path, int threads) {
  Runner runner(path, threads);
  ThreadPool pool(threads);
  std::vector<std::uint64_t> memory;
  std::string line;
  std::cout << "ready" << std::endl;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command;
    std::int64_t a = 0, b = 0;
    words >> command >> a >> b;
    std::int64_t ns = 0;
    if (command == "prefill") ns = nanoseconds([&] { runner.step(1, a, 0); });
    if (command == "decode")
      ns = nanoseconds([&] {
        for (std::int64_t i = 0; i < a; ++i) runner.step(1, 1, i);
      });
    if (command == "batch")
      ns = nanoseconds([&] {
        for (std::int64_t i = 0; i < b; ++i) runner.step(a, 1, i);
      });
    if (command == "probe") {
      memory.resize(std::size_t{64} << 20, 3);
      ns = probe(pool, memory);
    }
    std::cout << ns << std::endl;
  }
}

}  // namespace
}  // namespace r1

int main(int argc, char** argv) {
  try {
    if (argc != 3) r1::fail(r1::ErrorKind::usage, "wants a model and a number of threads");
    r1::serve(argv[1], std::stoi(argv[2]));
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "network_speed: %s\n", e.what());
    return 3;
  }
}
