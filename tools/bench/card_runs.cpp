#include "tools/bench/card_runs.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace r1 {
namespace {

constexpr double kMost = 512 << 20;          // bytes on each side of a copy
constexpr std::size_t kOverLink = 64 << 20;  // bytes: a millisecond of the fastest link

}  // namespace

double room_on(const Backend& backend) { return static_cast<double>(backend.memory().free) / 4; }

OpRun card_copy(OpInputs& in) {
  const auto n = static_cast<std::int64_t>(std::min(kMost, room_on(in.backend()) / 2) / 4);
  const Tensor from = in.floats({n}), to = in.raw({n}, DType::f32);
  return moves({from, to}, [&b = in.backend(), from, to] { b.copy(to, from); });
}

double product_bytes(std::int64_t side) {
  return (4 + 4 + 2) * static_cast<double>(side) * static_cast<double>(side);
}

OpRun card_product(OpInputs& in, std::int64_t side) {
  return linear_run(in, side, side, side, DType::bf16);
}

OpRun link_copy(OpInputs& in, bool to_card) {
  const auto host = std::make_shared<std::vector<std::byte>>(kOverLink, std::byte{1});
  const Tensor card = in.floats({static_cast<std::int64_t>(kOverLink / 4)});
  return moves({card}, [&b = in.backend(), host, card, to_card] {
    to_card ? b.copy_from_host(card, host->data()) : b.copy_to_host(host->data(), card);
  });
}

}  // namespace r1
