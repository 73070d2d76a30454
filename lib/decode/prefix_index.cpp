#include "lib/decode/prefix_index.h"

#include <algorithm>

namespace r1 {
namespace {

// FNV-1a, by word. Two pages of one hash are told apart by their ids.
std::uint64_t hash_of(std::uint64_t before, std::span<const std::int32_t> ids) {
  constexpr std::uint64_t kPrime = 0x100000001B3ull;
  std::uint64_t h = (0xCBF29CE484222325ull ^ before) * kPrime;
  for (const std::int32_t id : ids) h = (h ^ static_cast<std::uint32_t>(id)) * kPrime;
  return h;
}

constexpr std::size_t kPage = static_cast<std::size_t>(kPageTokens);

}  // namespace

PrefixIndex::Place PrefixIndex::find(Known before, std::span<const std::int32_t> ids) {
  const auto found = places_.find(hash_of(before, ids));
  if (found == places_.end()) return order_.end();
  const Entry& e = *found->second;
  const bool same = e.before == before && std::equal(ids.begin(), ids.end(), e.ids.begin());
  return same ? found->second : order_.end();
}

std::vector<PrefixIndex::Place> PrefixIndex::chain(std::span<const std::int32_t> ids) {
  std::vector<Place> known;
  for (std::size_t at = 0; at + kPage < ids.size(); at += kPage) {
    const Place place = find(known.empty() ? 0 : known.back()->name, ids.subspan(at, kPage));
    if (place == order_.end()) break;
    known.push_back(place);
  }
  // The first page ends up in front: without it those behind it cannot be found.
  for (auto at = known.rbegin(); at != known.rend(); ++at)
    order_.splice(order_.begin(), order_, *at);
  return known;
}

PrefixIndex::Beginning PrefixIndex::take(std::span<const std::int32_t> ids) {
  Beginning beginning;
  for (const Place place : chain(ids)) {
    cache_.share(place->page);
    beginning.pages.push_back(place->page);
    beginning.last = place->name;
  }
  return beginning;
}

PrefixIndex::Known PrefixIndex::remember(Known before, std::span<const std::int32_t> ids,
                                         std::int32_t page) {
  if (const Place place = find(before, ids); place != order_.end()) return place->name;
  const std::uint64_t hash = hash_of(before, ids);
  if (const auto other = places_.find(hash); other != places_.end()) forget(other->second);
  cache_.share(page);
  order_.push_front({next_++, before, {ids.begin(), ids.end()}, page});
  places_.emplace(hash, order_.begin());
  return order_.front().name;
}

void PrefixIndex::forget(Place place) {
  cache_.give_back(place->page);
  places_.erase(hash_of(place->before, place->ids));
  order_.erase(place);
}

void PrefixIndex::make_room(std::int64_t free) {
  const auto alone = [this](const Entry& e) { return cache_.users(e.page) == 1; };
  std::int64_t lacking = free - cache_.free_pages();
  if (lacking > std::count_if(order_.begin(), order_.end(), alone)) return;
  for (auto at = order_.end(); lacking > 0;) {
    const Place place = std::prev(at);
    if (!alone(*place)) {
      at = place;
      continue;
    }
    forget(place);
    --lacking;
  }
}

}  // namespace r1
