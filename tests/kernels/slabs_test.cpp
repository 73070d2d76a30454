#include "kernels/cpu/slabs.h"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "lib/base/random.h"

namespace r1 {
namespace {

// Pieces of every kind, taken and given back in a random order: each keeps what was written to it.
TEST(Slabs, PiecesNeverOverlapWhateverTheOrder) {
  struct Piece {
    void* memory;
    std::size_t bytes;
    unsigned char mark;
  };
  cpu::Slabs slabs;
  std::vector<Piece> pieces;
  const auto holds_its_mark = [](const Piece& p) {
    const auto* at = static_cast<const unsigned char*>(p.memory);
    return at[0] == p.mark && at[p.bytes / 2] == p.mark && at[p.bytes - 1] == p.mark;
  };
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const std::uint64_t draw = random_bits(1, 0, i);
    if (pieces.size() > 40 || (draw % 3 == 0 && !pieces.empty())) {
      const std::size_t at = draw / 3 % pieces.size();
      ASSERT_TRUE(holds_its_mark(pieces[at])) << i;
      slabs.release(pieces[at].memory);
      pieces[at] = pieces.back();
      pieces.pop_back();
      continue;
    }
    const std::size_t largest[] = {100, 100'000, 3'000'000, 9'000'000};
    const std::size_t bytes = draw / 16 % largest[draw / 4 % 4] + 1;
    Piece piece{slabs.allocate(bytes), bytes, static_cast<unsigned char>(i)};
    ASSERT_NE(piece.memory, nullptr);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(piece.memory) % 64, 0u);
    auto* at = static_cast<unsigned char*>(piece.memory);
    at[0] = at[bytes / 2] = at[bytes - 1] = piece.mark;
    pieces.push_back(piece);
  }
  for (const Piece& p : pieces) {
    EXPECT_TRUE(holds_its_mark(p));
    slabs.release(p.memory);
  }
}

}  // namespace
}  // namespace r1
