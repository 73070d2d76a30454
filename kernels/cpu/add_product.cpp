// out += a b, of matrices that lie plainly: what training adds to gradients.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/strips.h"

namespace r1 {
namespace {

using cpu::join_strips;
using cpu::kPanelRows;
using cpu::kTogether;
using cpu::Range;
using cpu::Strided;
using cpu::Term;

constexpr int kGathered = 12;  // whatever a kernel takes at once divides it
constexpr std::int64_t kRows = std::int64_t{10} * kGathered;  // of a, at a time
constexpr std::int64_t kInner = 512;                          // terms, at most
constexpr std::int64_t kPanels = 64;                          // of b, at most

std::int64_t length(Range r) { return r.end - r.begin; }
Range piece(Range r, std::int64_t begin, std::int64_t most) {
  return {begin, std::min(r.end, begin + most)};
}

// A thread's share of it. Panels are strips of b's columns, some of its rows at a time: each stays
// in the first cache while it meets rows of a that stay in the second. Those of a transpose are
// gathered, since where they stand one element is a page from the next. More rows of b at a time
// would fetch `out` less often, but leave fewer rows of a in their cache. Along the inner sum, all
// is counted in terms.
template <typename T>
class Share {
 public:
  Share(const cpu::Kernels& kernels, const Tensor& out, const Strided<T>& a, const T* b,
        std::int64_t I)
      : kernels_(kernels), out_(out), a_(a), b_(b), I_(I) {}

  // Some rows of `out`, and columns, counted in panels.
  void add(Range rows, Range panels) const {
    thread_local std::vector<Term<T>> room;
    const std::int64_t terms = (I_ + kTogether<T> - 1) / kTogether<T>,
                       parts = (terms + kInner - 1) / kInner, each = (terms + parts - 1) / parts;
    Term<T>* strips = cpu::at_least(room, each * kPanelRows * std::min(kPanels, length(panels)));
    for (std::int64_t i = 0; i < terms; i += each)
      for (std::int64_t p = panels.begin; p < panels.end; p += kPanels) {
        const Range inner = piece({0, terms}, i, each), some = piece(panels, p, kPanels);
        const std::int64_t c = p * kPanelRows;
        join_strips<kPanelRows>(strips, b_ + inner.begin * kTogether<T> * C() + c, C(),
                                numbers(inner), std::min(length(some) * kPanelRows, C() - c));
        for (std::int64_t r = rows.begin; r < rows.end; r += kRows) {
          const bool more = r + kRows < rows.end;
          add_rows(piece(rows, r, kRows), inner, some, strips,
                   piece(rows, more ? r + kRows : rows.begin, kRows),
                   more ? inner : piece({0, terms}, i + each, each));
        }
      }
  }

 private:
  std::int64_t C() const { return out_.cols(); }
  // How many numbers are in these terms.
  std::int64_t numbers(Range inner) const {
    return std::min(I_ - inner.begin * kTogether<T>, length(inner) * kTogether<T>);
  }
  bool gathers() const { return a_.column != 1; }

  // `next` is fetched meanwhile: at the pace of memory the first panel would wait for its rows.
  void add_rows(Range rows, Range inner, Range panels, const Term<T>* strips, Range next,
                Range next_inner) const {
    thread_local std::vector<Term<T>> room;
    Term<T>* gathered = cpu::at_least(room, gathers() ? length(inner) * kRows : 0);
    if (gathers())
      join_strips<kGathered>(gathered, a_.at + inner.begin * kTogether<T> * a_.column + rows.begin,
                             a_.column, numbers(inner), length(rows));
    for (std::int64_t p = panels.begin; p < panels.end; ++p) {
      fetch(next, next_inner, p - panels.begin, length(panels));
      const std::int64_t c = p * kPanelRows, n = std::min<std::int64_t>(kPanelRows, C() - c);
      const Term<T>* panel = strips + (p - panels.begin) * length(inner) * kPanelRows;
      float* to = out_.as<float>() + rows.begin * C() + c;
      if (!gathers()) multiply(to, panel, terms_of(rows.begin, inner), length(rows), inner, n);
      for (std::int64_t r = 0; gathers() && r < length(rows); r += kGathered)
        multiply(to + r * C(), panel, {gathered + r * length(inner), 1, kGathered},
                 std::min<std::int64_t>(kGathered, length(rows) - r), inner, n);
    }
  }

  // Rows of a from `row` on, which are rows of terms.
  Strided<Term<T>> terms_of(std::int64_t row, Range inner) const {
    const auto* at = reinterpret_cast<const Term<T>*>(a_.at + row * a_.row);
    return {at + inner.begin, a_.row / kTogether<T>, 1};
  }

  void multiply(float* to, const Term<T>* panel, const Strided<Term<T>>& a, std::int64_t rows,
                Range inner, std::int64_t n) const {
    if constexpr (std::is_same_v<T, float>)
      kernels_.add_product(to, C(), panel, a, {0, rows}, length(inner), n);
    else
      kernels_.add_product_of_pairs(to, C(), panel, a, {0, rows}, length(inner), n);
  }

  // Asks for a part of these rows and columns of a, as far as the second cache.
  void fetch(Range rows, Range inner, std::int64_t part, std::int64_t parts) const {
    constexpr std::int64_t kLine = 64 / sizeof(T);
    const Range summed = {inner.begin * kTogether<T>, inner.end * kTogether<T>};
    const Range lines = gathers() ? summed : rows, along = gathers() ? rows : summed;
    const std::int64_t apart = gathers() ? a_.column : a_.row, count = length(lines);
    for (std::int64_t i = count * part / parts; i < count * (part + 1) / parts; ++i)
      for (std::int64_t j = along.begin; j < along.end; j += kLine)
        __builtin_prefetch(a_.at + (lines.begin + i) * apart + j, 0, 2);
  }

  const cpu::Kernels& kernels_;
  const Tensor& out_;
  const Strided<T>& a_;
  const T* b_;
  std::int64_t I_;
};

}  // namespace

// What would cost more to copy twice is shared out.
template <typename T>
void CpuBackend::add_product(const Tensor& out, const Strided<T>& a, const T* b, std::int64_t I) {
  if (I == 0) return;
  const std::int64_t R = out.rows(), C = out.cols(), panels = (C + kPanelRows - 1) / kPanelRows;
  const Share<T> share(kernels_, out, a, b, I);
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

template void CpuBackend::add_product(const Tensor&, const Strided<float>&, const float*,
                                      std::int64_t);
template void CpuBackend::add_product(const Tensor&, const Strided<std::uint16_t>&,
                                      const std::uint16_t*, std::int64_t);

}  // namespace r1
