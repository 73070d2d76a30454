#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>
#include <vector>

#include "lib/nn/kv_cache.h"

namespace r1 {

// Whole pages whose keys and values are known for a beginning of text, so that the next text with
// that beginning need not read it again. Each page is known by its own ids and by the page before
// it. Holds one use of each page; the one that was wanted least recently is given back first.
class PrefixIndex {
 public:
  explicit PrefixIndex(KvCache& cache) : cache_(cache) {}

  // A known page; 0 stands for the beginning of the text. A page that was given back has a number
  // that never comes again.
  using Known = std::uint64_t;

  struct Beginning {
    std::vector<std::int32_t> pages;  // each with a use for the caller
    Known last = 0;
  };
  // The longest known beginning of `ids` that ends before the last id, whose logits must be made.
  Beginning take(std::span<const std::int32_t> ids);
  // Somebody wanted the beginning of this text just now.
  void refresh(std::span<const std::int32_t> ids) { chain(ids); }
  // `page` holds these ids, kPageTokens of them, after `before`.
  Known remember(Known before, std::span<const std::int32_t> ids, std::int32_t page);
  // Gives back pages until `free` are free: those that nobody else uses, or none where they are not
  // enough.
  void make_room(std::int64_t free);

 private:
  struct Entry {
    Known name = 0, before = 0;
    std::vector<std::int32_t> ids;
    std::int32_t page = 0;
  };
  using Place = std::list<Entry>::iterator;
  std::vector<Place> chain(std::span<const std::int32_t> ids);  // known pages, put in front
  Place find(Known before, std::span<const std::int32_t> ids);  // order_.end(): unknown
  void forget(Place place);

  KvCache& cache_;
  std::list<Entry> order_;                           // the most recently wanted first
  std::unordered_map<std::uint64_t, Place> places_;  // by hash of `before` and `ids`
  Known next_ = 1;
};

}  // namespace r1
