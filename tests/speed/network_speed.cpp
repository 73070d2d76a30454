// Times the bare network of a model, one command a line on stdin, nanoseconds a line on stdout:
//   network_speed MODEL.gguf THREADS
//   prefill N       one pass over N positions, logits of the last one
//   decode N        N steps of one position
//   batch S N       N steps of S sequences at once
//   probe           what a read of 512 MiB takes at this moment
// scripts/bench/complete_vs_llamacpp.py drives it turn by turn with a peer.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "lib/backend/open_backend.h"
#include "lib/base/error.h"
#include "lib/models/network.h"
#include "tools/bench/probes.h"
#include "tools/bench/stepper.h"

namespace r1 {
namespace {

constexpr std::int64_t kContext = 2048, kMostSequences = 16;
constexpr double kProbed = 512 << 20;  // bytes

void serve(const std::string& path, int threads) {
  const auto backend = open_backend("cpu", {.threads = threads});
  const ModelFiles files = ModelFiles::open(path);
  Params params(*backend, files, {});
  const auto network = load_network(files, params);
  const std::int64_t tokens = std::min(kContext, network->shape().context);
  Stepper stepper(*backend, *network, DType::bf16, kMostSequences, tokens);
  Probes probes(*backend, threads);
  std::string line;
  std::cout << "ready" << std::endl;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command;
    std::int64_t a = 0, b = 0;
    words >> command >> a >> b;
    const auto start = Clock::now();
    if (command == "prefill") stepper.step(1, a, 0);
    if (command == "decode")
      for (std::int64_t i = 0; i < a; ++i) stepper.step(1, 1, i);
    if (command == "batch")
      for (std::int64_t i = 0; i < b; ++i) stepper.step(a, 1, i);
    const double ns =
        command == "probe" ? kProbed / probes.read_rate(kProbed) : nanoseconds_since(start);
    std::cout << static_cast<std::int64_t>(ns) << std::endl;
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
