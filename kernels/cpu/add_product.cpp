// out += a b in f32, of matrices that lie plainly: what training adds to gradients.
#include <algorithm>
#include <cstring>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/panels.h"
#include "kernels/cpu/rows.h"

namespace r1 {
namespace {

using cpu::kPanelRows;
using cpu::Range;
using cpu::Strided;

constexpr std::int64_t kGathered = 12;          // whatever a kernel takes at once divides it
constexpr std::int64_t kRows = 10 * kGathered;  // of a, at a time
constexpr std::int64_t kInner = 512;            // of b, at most
constexpr std::int64_t kPanels = 64;            // of b, at most

std::int64_t length(Range r) { return r.end - r.begin; }
Range piece(Range r, std::int64_t begin, std::int64_t most) {
  return {begin, std::min(r.end, begin + most)};
}

// Rows of a transpose, and columns, so many rows side by side: [rows / kGathered, columns,
// kGathered].
void gather(float* to, const Strided& a, Range rows, Range columns) {
  const std::int64_t n = length(columns), count = length(rows);
  for (std::int64_t k = 0; k < n; ++k) {
    const float* from = a.at + (columns.begin + k) * a.column + rows.begin;
    std::int64_t r = 0;
    for (; r + kGathered <= count; r += kGathered)
      std::memcpy(to + r * n + k * kGathered, from + r, sizeof(float) * kGathered);
    std::copy_n(from + r, count - r, to + r * n + k * kGathered);
  }
}

// Asks for a part of these rows and columns, as far as the second cache.
void fetch(const Strided& a, Range rows, Range columns, std::int64_t part, std::int64_t parts) {
  constexpr std::int64_t kLine = 16;
  const bool plain = a.column == 1;
  const Range lines = plain ? rows : columns, along = plain ? columns : rows;
  const std::int64_t apart = plain ? a.row : a.column, count = length(lines);
  for (std::int64_t i = count * part / parts; i < count * (part + 1) / parts; ++i)
    for (std::int64_t j = along.begin; j < along.end; j += kLine)
      __builtin_prefetch(a.at + (lines.begin + i) * apart + j, 0, 2);
}

// A thread's share of it. Panels are strips of b's columns, some of its rows at a time: each stays
// in the first cache while it meets rows of a that stay in the second. Those of a transpose are
// gathered, since where they stand one element is a page from the next. More rows of b at a time
// would fetch `out` less often, but leave fewer rows of a in their cache.
class Share {
 public:
  Share(const cpu::Kernels& kernels, const Tensor& out, const Strided& a, const float* b,
        std::int64_t I)
      : kernels_(kernels), out_(out), a_(a), b_(b), I_(I) {}

  // Some rows of `out`, and columns, counted in panels.
  void add(Range rows, Range panels) const {
    thread_local std::vector<float> room;
    const std::int64_t parts = (I_ + kInner - 1) / kInner, each = (I_ + parts - 1) / parts;
    float* strips = cpu::at_least(room, each * kPanelRows * std::min(kPanels, length(panels)));
    for (std::int64_t i = 0; i < I_; i += each)
      for (std::int64_t p = panels.begin; p < panels.end; p += kPanels) {
        const Range inner = piece({0, I_}, i, each), some = piece(panels, p, kPanels);
        const std::int64_t c = p * kPanelRows;
        cpu::copy_strips(strips, b_ + i * C() + c, C(), length(inner),
                         std::min(length(some) * kPanelRows, C() - c));
        for (std::int64_t r = rows.begin; r < rows.end; r += kRows) {
          const bool more = r + kRows < rows.end;
          add_rows(piece(rows, r, kRows), inner, some, strips,
                   piece(rows, more ? r + kRows : rows.begin, kRows),
                   more ? inner : piece({0, I_}, i + each, each));
        }
      }
  }

 private:
  std::int64_t C() const { return out_.cols(); }

  // `next` is fetched meanwhile: at the pace of memory the first panel would wait for its rows.
  void add_rows(Range rows, Range inner, Range panels, const float* strips, Range next,
                Range next_inner) const {
    thread_local std::vector<float> room;
    const bool gathers = a_.column != 1;
    float* gathered = cpu::at_least(room, gathers ? length(inner) * kRows : 0);
    if (gathers) gather(gathered, a_, rows, inner);
    for (std::int64_t p = panels.begin; p < panels.end; ++p) {
      fetch(a_, next, next_inner, p - panels.begin, length(panels));
      const std::int64_t c = p * kPanelRows, n = std::min<std::int64_t>(kPanelRows, C() - c);
      const float* panel = strips + (p - panels.begin) * length(inner) * kPanelRows;
      float* to = out_.as<float>() + rows.begin * C() + c;
      if (!gathers)
        kernels_.add_product(to, C(), panel, {a_.at + rows.begin * a_.row + inner.begin, a_.row, 1},
                             {0, length(rows)}, length(inner), n);
      for (std::int64_t r = 0; gathers && r < length(rows); r += kGathered)
        kernels_.add_product(to + r * C(), C(), panel, {gathered + r * length(inner), 1, kGathered},
                             {0, std::min(kGathered, length(rows) - r)}, length(inner), n);
    }
  }

  const cpu::Kernels& kernels_;
  const Tensor& out_;
  const Strided& a_;
  const float* b_;
  std::int64_t I_;
};

}  // namespace

// What would cost more to copy twice is shared out.
void CpuBackend::add_product(const Tensor& out, const cpu::Strided& a, const float* b,
                             std::int64_t I) {
  const std::int64_t R = out.rows(), C = out.cols(), panels = (C + kPanelRows - 1) / kPanelRows;
  const Share share(kernels_, out, a, b, I);
  if (a.column != 1 && R > C)
    for_rows((R + kGathered - 1) / kGathered, kGathered * C * I,
             [&](std::int64_t begin, std::int64_t end) {
               share.add({begin * kGathered, std::min(R, end * kGathered)}, {0, panels});
             });
  else
    for_rows(panels, kPanelRows * R * I, [&](std::int64_t begin, std::int64_t end) {
      share.add({0, R}, {begin, end});
    });
}

}  // namespace r1
