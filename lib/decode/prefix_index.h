#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>
#include <vector>

#include "lib/nn/kv_cache.h"

namespace r1 {

// Whole pages whose keys and values are known for a beginning of text, so that the next text with
// that beginning need not read it again. Holds one use of each page; the page that was wanted least
// recently is given back first.
class PrefixIndex {
 public:
  explicit PrefixIndex(KvCache& cache) : cache_(cache) {}

  // The pages of the longest known beginning of `ids`, each with a use for the caller; all of them
  // end before the last id, whose logits must be made.
  std::vector<std::int32_t> take(std::span<const std::int32_t> ids);
  // `pages[i]` holds ids [64 i, 64 i + 64). Those that are new are remembered.
  void remember(std::span<const std::int32_t> ids, std::span<const std::int32_t> pages);
  // Gives back pages until `free` are free, or none is held any more.
  void make_room(std::int64_t free);

 private:
  struct Entry {
    std::vector<std::int32_t> ids;  // the text from its beginning to the end of this page
    std::int32_t page = 0;
    std::list<std::uint64_t>::iterator place;
  };
  Entry* find(std::span<const std::int32_t> ids);  // ids: whole pages from the beginning

  KvCache& cache_;
  std::unordered_map<std::uint64_t, Entry> entries_;  // by hash of the ids
  std::list<std::uint64_t> order_;                    // the most recently wanted first
};

}  // namespace r1
