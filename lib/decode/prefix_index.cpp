#include "lib/decode/prefix_index.h"

#include <algorithm>

namespace r1 {
namespace {

// FNV-1a over the ids. A collision is only a miss: entries keep their ids and are compared.
std::uint64_t hash_of(std::span<const std::int32_t> ids) {
  std::uint64_t h = 0xCBF29CE484222325ull;
  for (const std::int32_t id : ids) h = (h ^ static_cast<std::uint32_t>(id)) * 0x100000001B3ull;
  return h;
}

constexpr std::size_t kPage = static_cast<std::size_t>(kPageTokens);

}  // namespace

PrefixIndex::Entry* PrefixIndex::find(std::span<const std::int32_t> ids) {
  const auto found = entries_.find(hash_of(ids));
  if (found == entries_.end() ||
      !std::equal(ids.begin(), ids.end(), found->second.ids.begin(), found->second.ids.end()))
    return nullptr;
  order_.splice(order_.begin(), order_, found->second.place);
  return &found->second;
}

std::vector<std::int32_t> PrefixIndex::take(std::span<const std::int32_t> ids) {
  std::vector<std::int32_t> pages;
  for (std::size_t end = kPage; end < ids.size(); end += kPage) {
    const Entry* entry = find(ids.first(end));
    if (entry == nullptr) break;
    cache_.share(entry->page);
    pages.push_back(entry->page);
  }
  return pages;
}

void PrefixIndex::remember(std::span<const std::int32_t> ids, std::span<const std::int32_t> pages) {
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const auto text = ids.first((i + 1) * kPage);
    const std::uint64_t h = hash_of(text);
    if (entries_.contains(h)) continue;
    cache_.share(pages[i]);
    order_.push_front(h);
    entries_.emplace(h, Entry{{text.begin(), text.end()}, pages[i], order_.begin()});
  }
}

void PrefixIndex::make_room(std::int64_t free) {
  while (cache_.free_pages() < free && !order_.empty()) {
    const auto last = entries_.find(order_.back());
    cache_.give_back(last->second.page);
    entries_.erase(last);
    order_.pop_back();
  }
}

}  // namespace r1
