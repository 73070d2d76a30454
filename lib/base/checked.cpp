#include "lib/base/checked.h"

namespace r1 {

std::uint64_t checked_mul(std::uint64_t a, std::uint64_t b, std::string_view what) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product))
    fail(ErrorKind::decode, "{}: {} times {} is too large", escaped(what), a, b);
  return product;
}

std::uint64_t checked_add(std::uint64_t a, std::uint64_t b, std::string_view what) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum))
    fail(ErrorKind::decode, "{}: {} plus {} is too large", escaped(what), a, b);
  return sum;
}

ByteSpan ByteReader::take(std::uint64_t count) {
  if (bytes_.empty() && count > 0) fail(ErrorKind::truncated, "{} is empty", escaped(what_));
  if (count > remaining())
    fail(ErrorKind::truncated, "{} wants {} bytes at {}, and has {}", escaped(what_), count,
         position_, remaining());
  const ByteSpan part = bytes_.subspan(position_, count);
  position_ += count;
  return part;
}

}  // namespace r1
