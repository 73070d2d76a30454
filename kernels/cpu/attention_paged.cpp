// Attention over pages, by tiles: up to 8 query rows of one sequence and key head walk their pages
// together, from the newest to the oldest. Walks are dealt out to threads; a row's pages are added
// in one order, whatever else is in its tile.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {
namespace {

using cpu::AttendRow;
using cpu::row;

static_assert(kPageTokens == cpu::kPagePositions);

constexpr std::int64_t kTileRows = 8;

// Query rows begin … end - 1 of one key head, counted along positions and the heads of its group;
// all of one sequence.
struct Tile {
  std::int64_t sequence, begin, end;
};

std::vector<Tile> tiles_of(const Tensor& sequence, std::int64_t group) {
  std::vector<Tile> tiles;
  const auto* s = sequence.as<std::int32_t>();
  const std::int64_t T = sequence.shape.elements();
  for (std::int64_t t = 0, end = 0; t < T; t = end) {
    for (end = t + 1; end < T && s[end] == s[t];) ++end;
    for (std::int64_t r = t * group; r < end * group; r += kTileRows)
      tiles.push_back({s[t], r, std::min(end * group, r + kTileRows)});
  }
  return tiles;
}

// A tile of each of some key heads.
struct Walk {
  Tile tile;
  cpu::Range heads;
};

// Tiles of one sequence read the same pages, which stay in a cache when they come one after the
// other by head. Where each sequence has one, its heads walk together: in memory their pages stand
// side by side, and are read faster one behind the other. Then as many walk together as leave all
// threads the same work, or nearly.
std::vector<Walk> walks_of(const std::vector<Tile>& tiles, std::int64_t heads,
                           std::int64_t threads) {
  const auto count = std::ssize(tiles);
  const bool alone = std::adjacent_find(tiles.begin(), tiles.end(), [](Tile a, Tile b) {
                       return a.sequence == b.sequence;
                     }) == tiles.end();
  std::int64_t ways = alone ? 1 : heads;  // parts of the heads
  while (ways < heads && count * ways % threads != 0 && count * ways < 4 * threads) ++ways;
  std::vector<Walk> walks;
  for (std::int64_t way = 0; way < ways; ++way)
    for (const Tile& tile : tiles)
      walks.push_back({tile, {heads * way / ways, heads * (way + 1) / ways}});
  return walks;
}

// One row of a tile: what it may see, and how far it is.
struct Walker {
  AttendRow state;
  std::int64_t first, last;  // positions it sees
  float length;              // of q
};

}  // namespace

// Attention of all rows over pages that hold them.
struct CpuBackend::PagedAttention {
  const cpu::Kernels& kernels;
  const Tensor &y, &q;
  const PagedKv& kv;
  const Tensor &A, &position;
  const AttentionOptions& options;

  std::int64_t H() const { return q.shape[1]; }
  std::int64_t hd() const { return q.shape[2]; }
  std::int64_t group() const { return H() / kv.keys.shape[1]; }

  // Row r of [T, H], of query row i of a tile of key head h.
  std::int64_t row_of(std::int64_t i, std::int64_t h) const {
    return i / group() * H() + h * group() + i % group();
  }

  std::int64_t room_of_row() const { return 2 * (hd() + cpu::pairs_in_f16(hd())); }
  // room [room_of_row()]: for its q as the pages want it.
  Walker begin(std::int64_t i, std::int64_t h, std::uint16_t* room) const {
    const std::int64_t r = row_of(i, h), t = i / group(), last = position.as<std::int32_t>()[t];
    const std::int64_t first = cpu::first_seen(0, last, options.window);
    std::fill(row(y, r), row(y, r) + hd(), 0.0f);
    Walker w{{row(q, r), row(y, r), A.empty() ? 0.0f : row(A, t)[h],
              -std::numeric_limits<float>::infinity(), 0.0f, 0, 0},
             first,
             last,
             0.0f};
    if (skips()) w.length = std::sqrt(kernels.dot(w.state.q, w.state.q, hd()));
    if (kv.keys.dtype == DType::q8_0) {
      auto* whole = reinterpret_cast<std::int16_t*>(room);
      w.state.whole = whole;
      w.state.step = kernels.to_whole(whole, w.state.q, hd());
    } else if (kv.keys.dtype == DType::bf16 && kernels.has_bf16) {
      kernels.to_bf16(room, w.state.q, hd());
      w.state.halves = room;
    } else if (kv.keys.dtype == DType::f16 && kernels.has_f16) {
      auto* once = reinterpret_cast<cpu::Pair*>(room + 2 * hd());
      kernels.scale_to_f16(once, w.state.q, hd(), cpu::kQueryBelow);
      std::memcpy(&w.state.step, once, sizeof w.state.step);
      const auto* halves = reinterpret_cast<const std::uint16_t*>(once + 1);
      for (std::int64_t d = 0; d < hd(); ++d) room[2 * d] = room[2 * d + 1] = halves[d];
      w.state.halves = room;
    }
    return w;
  }

  bool skips() const { return options.skip > 0.0f && !A.empty() && !kv.longest.empty(); }

  // No position of the page can bring its weight over the share `skip` of the mass. A
  // never rises, so that the page's last position decays least.
  bool negligible(const Walker& w, std::int64_t page) const {
    if (!skips() || w.state.sum == 0.0f) return false;
    const float bound = w.length * kv.longest.as<float>()[page] * options.scale;
    const float decay = w.state.own - kv.decay.as<float>()[(page + 1) * kPageTokens - 1];
    const auto seen = static_cast<float>(w.last - w.first + 1);
    return bound + decay < w.state.largest + std::log(options.skip / seen);
  }

  std::int64_t page(const Walk& walk, std::int64_t h, std::int64_t p) const {
    return cpu::page_of(kv, walk.tile.sequence, h, p);
  }
  // Where a walk begins, as far as can be said without it.
  std::int64_t first_page(const Walk& walk) const {
    const std::int64_t newest = position.as<std::int32_t>()[(walk.tile.end - 1) / group()];
    return page(walk, walk.heads.begin, newest / kPageTokens);
  }

  // Asks for the rows of a walk, which are too far apart for the processor to see what comes next.
  void ask_for(const Walk& walk) const {
    for (std::int64_t h = walk.heads.begin; h < walk.heads.end; ++h)
      for (std::int64_t i = walk.tile.begin; i < walk.tile.end; ++i) {
        cpu::ask_for_row(q, row_of(i, h));
        cpu::ask_for_row<true>(y, row_of(i, h));
      }
  }

  // `after`: the walk whose rows and first page to ask for on the way.
  void one_walk(const Walk& walk, const Walk& after) const {
    const auto& [tile, heads] = walk;
    const std::int64_t count = tile.end - tile.begin, all = count * (heads.end - heads.begin);
    std::vector<Walker> walkers;
    walkers.reserve(static_cast<std::size_t>(all));
    std::vector<std::uint16_t> room(static_cast<std::size_t>(all * room_of_row()));
    std::int64_t oldest = std::numeric_limits<std::int64_t>::max(), newest = 0;
    for (std::int64_t h = heads.begin; h < heads.end; ++h)
      for (std::int64_t i = tile.begin; i < tile.end; ++i) {
        walkers.push_back(begin(i, h, room.data() + std::ssize(walkers) * room_of_row()));
        oldest = std::min(oldest, walkers.back().first / kPageTokens);
        newest = std::max(newest, walkers.back().last / kPageTokens);
      }
    ask_for(after);
    for (std::int64_t p = newest; p >= oldest; --p)
      for (std::int64_t h = heads.begin; h < heads.end; ++h) {
        const std::int64_t next = h + 1 < heads.end ? page(walk, h + 1, p)
                                  : p > oldest      ? page(walk, heads.begin, p - 1)
                                                    : first_page(after);
        one_page(walkers.data() + (h - heads.begin) * count, count, p, page(walk, h, p), next);
      }
    for (const Walker& w : walkers)
      kernels.blend(w.state.mean, 1.0f / w.state.sum, w.state.mean, 0.0f, nullptr, hd());
  }

  void one_page(Walker* walkers, std::int64_t count, std::int64_t p, std::int64_t number,
                std::int64_t next) const {
    AttendRow* rows[kTileRows];
    int there = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      Walker& w = walkers[i];
      w.state.begin = std::max<std::int64_t>(0, w.first - p * kPageTokens);
      w.state.end = std::min(kPageTokens, w.last + 1 - p * kPageTokens);
      if (w.state.begin >= w.state.end) continue;
      if (w.state.end == kPageTokens && negligible(w, number)) continue;
      rows[there++] = &w.state;
    }
    if (there == 0) return;
    const float* decay = A.empty() ? nullptr : kv.decay.as<float>() + number * kPageTokens;
    const std::byte *keys = cpu::page_at(kv.keys, number),
                    *values = cpu::page_at(kv.values, number);
    kernel()(rows, there,
             {keys, values, decay, hd(), options.scale, cpu::page_at(kv.keys, next) - keys,
              cpu::page_at(kv.values, next) - values});
  }

  auto kernel() const -> decltype(kernels.attend_f32) {
    switch (kv.keys.dtype) {
      case DType::f16:
        return kernels.attend_f16;
      case DType::bf16:
        return kernels.attend_bf16;
      case DType::q8_0:
        return kernels.attend_q8_0;
      default:
        return kernels.attend_f32;
    }
  }
};

void CpuBackend::attention_paged(const Tensor& y, const Tensor& q, const PagedKv& kv,
                                 const Tensor& A, const Tensor& sequence, const Tensor& position,
                                 const AttentionOptions& options) {
  const PagedAttention attention{kernels_, y, q, kv, A, position, options};
  const std::vector<Walk> walks =
      walks_of(tiles_of(sequence, attention.group()), kv.keys.shape[1], pool_.threads());
  std::int64_t seen = 0;  // positions of all rows together
  for (std::int64_t t = 0; t < q.shape[0]; ++t) seen += position.as<std::int32_t>()[t] + 1;
  const auto all = static_cast<std::int64_t>(std::ssize(walks));
  const std::int64_t parts = std::clamp<std::int64_t>(all, 1, pool_.threads());
  const auto walk = [&](std::int64_t i) -> const Walk& {
    return walks[static_cast<std::size_t>(i)];
  };
  // Late tiles see more, so that they are dealt out in turn.
  for_rows(parts, seen * attention.H() * attention.hd() / parts,
           [&](std::int64_t begin, std::int64_t end) {
             for (std::int64_t part = begin; part < end; ++part)
               for (std::int64_t i = part; i < all; i += parts)
                 attention.one_walk(walk(i), walk(std::min(i + parts, all - 1)));
           });
}

}  // namespace r1
