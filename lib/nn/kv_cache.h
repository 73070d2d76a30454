#pragma once

#include <cstdint>
#include <vector>

#include "lib/backend/backend.h"

namespace r1 {

struct KvShape {
  std::int64_t layers = 0, kv_heads = 0, head_dim = 0;
  bool decay = false;  // DAW
  DType dtype = DType::bf16;
  std::size_t page_bytes() const;  // of one page in all layers
};

// The pages of keys and values of all layers, and who uses them. A page's parts of all layers lie
// one behind the other, so that memory is touched only as far as texts fill it; its number, the
// same in every layer, is that of its first part. Pages are counted: a shared prefix is a page with
// several users.
class KvCache {
 public:
  KvCache(Backend& backend, const KvShape& shape, std::int64_t pages);

  std::int64_t free_pages() const { return static_cast<std::int64_t>(free_.size()); }
  std::int64_t pages() const { return static_cast<std::int64_t>(users_.size()); }
  std::vector<std::int32_t> numbers() const;  // of all pages, in use or not
  std::int32_t take();                        // a page with one user; there must be a free one
  void share(std::int32_t page);              // one user more
  void give_back(std::int32_t page);          // one user less; free at none
  std::int32_t users(std::int32_t page) const { return users_[place_of(page)]; }

  // Layer `l` with the page table of this step, i32 [S, pages per sequence].
  PagedKv layer(std::int64_t l, const Tensor& table) const;
  const KvShape& shape() const { return shape_; }

 private:
  std::size_t place_of(std::int32_t page) const {
    return static_cast<std::size_t>(page / shape_.layers);
  }

  KvShape shape_;
  std::vector<Buffer> memory_;
  std::vector<PagedKv> layers_;
  std::vector<std::int32_t> free_;
  std::vector<std::int32_t> users_;
};

}  // namespace r1
