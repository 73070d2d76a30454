#pragma once

#include <cstddef>

namespace r1 {

// Room for bytes that are needed only for a while. The addresses are reserved at once and stay;
// memory comes with `commit` and goes with `decommit`. What is not committed cannot be read.
class ReservedPages {
 public:
  explicit ReservedPages(std::size_t bytes);  // fails with oom_cpu
  ~ReservedPages();
  ReservedPages(ReservedPages&& other) noexcept;
  ReservedPages& operator=(ReservedPages&&) = delete;

  std::byte* data() const { return data_; }
  bool committed() const { return committed_; }
  void commit();    // fails with oom_cpu; the bytes are zero
  void decommit();  // the bytes are lost

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  bool committed_ = false;
};

}  // namespace r1
