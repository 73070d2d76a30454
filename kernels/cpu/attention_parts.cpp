#include "kernels/cpu/attention_parts.h"

#include <algorithm>
#include <cmath>

namespace r1::cpu {

std::vector<Part> parts_of(const Documents& in) {
  constexpr std::int64_t kWanted = 32, kLeast = 4 * kTile;
  const std::int64_t T = in.q.shape[0], KV = in.k.shape[1];
  std::vector<std::int64_t> begins;
  for (std::int64_t t = 0; t < T; ++t)
    if (in.start.as<std::int32_t>()[t] == t) begins.push_back(t);
  if (begins.empty()) return {};
  const std::int64_t wanted = kWanted / (std::ssize(begins) * KV);
  begins.push_back(T);
  std::vector<Part> parts;
  for (std::size_t d = 0; d + 1 < begins.size(); ++d) {
    const std::int64_t begin = begins[d], rows = begins[d + 1] - begin,
                       count = std::clamp<std::int64_t>(wanted, 1,
                                                        std::max<std::int64_t>(1, rows / kLeast));
    const auto bound = [&](std::int64_t i) {
      const double share = static_cast<double>(i) / static_cast<double>(count),
                   place =
                       in.options.window > 0 ? share : std::sqrt(share);  // a row sees all before
      return begin +
             (i == count ? rows : std::llround(place * static_cast<double>(rows)) / kTile * kTile);
    };
    for (std::int64_t h = 0; h < KV; ++h)
      for (std::int64_t i = 0; i < count; ++i)
        parts.push_back({h, begin, bound(i), bound(i + 1), i + 1 == count});
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Part& a, const Part& b) { return a.work() > b.work(); });
  return parts;
}

template <typename T>
auto Products<T>::factor(std::vector<Number>& room, const HeadRows& x, std::int64_t n,
                         std::int64_t width) const -> Rows {
  if constexpr (std::is_same_v<Number, float>) {
    return {x.at, x.apart};
  } else {
    const std::int64_t apart = 2 * terms(width);
    T* to = at_least(room, n * apart);
    for (std::int64_t i = 0; i < n; ++i, to += apart) {
      to[apart - 1] = 0;
      kernels_.to_bf16(to, x.at + i * x.apart, width);
    }
    return {room.data(), apart};
  }
}

template <typename T>
auto Products<T>::turn(Terms& room, const Rows& x, std::int64_t n, std::int64_t width) const
    -> Right {
  const std::int64_t K = terms(width);
  Term* to = panels(room, n, K);
  thread_local Terms memory;
  const Left from = left(memory, x, n, width);
  for (std::int64_t i = 0; i < n; i += kPanelRows) {
    const std::int64_t count = std::min<std::int64_t>(kPanelRows, n - i);
    Term* panel = to + i / kPanelRows * size(K);
    if constexpr (std::is_same_v<T, float>)
      kernels_.turn(panel, 1.0f, from.at + i * from.row, from.row, count, K);
    else if constexpr (kHalves)
      kernels_.turn_pairs(panel, from.f16.at + i * (1 + K), 1 + K, count, 1 + K);
    else
      kernels_.turn_pairs(panel, from.at + i * from.row, from.row, count, K);
  }
  return {to, K};
}

template <typename T>
auto Products<T>::cut(Terms& room, const Rows& x, std::int64_t n, std::int64_t width) const
    -> Right {
  Term* to = panels(room, width, terms(n));
  if constexpr (kHalves)
    kernels_.columns_to_f16(to, x.at, x.apart, n, width);
  else
    join_strips<kPanelRows>(to, x.at, x.apart, n, width);
  return {to, terms(n)};
}

template <typename T>
auto Products<T>::left(Terms& room, const Rows& x, std::int64_t n, std::int64_t width) const
    -> Left {
  if constexpr (kHalves) {
    const std::int64_t size = pairs_in_f16(width);
    Pair* to = at_least(room, n * size);
    for (std::int64_t i = 0; i < n; ++i)
      kernels_.scale_to_f16(to + i * size, x.at + i * x.apart, width, kFactorsBelow);
    return {.f16 = {to, size, 1}};
  } else {
    return {reinterpret_cast<const Term*>(x.at), x.apart / kTogether<T>, 1};
  }
}

template <typename T>
auto Products<T>::left_turned(Terms& room, const Rows& x, std::int64_t n, std::int64_t width) const
    -> Left {
  if constexpr (std::is_same_v<T, float>) {
    return {x.at, 1, x.apart};
  } else if constexpr (kHalves) {
    Pair* to = panels(room, width, terms(n));
    kernels_.columns_to_f16(to, x.at, x.apart, n, width);
    return {.f16 = {to, 1, kPanelRows}};
  } else {
    Term* to = at_least(room, terms(n) * width);
    for (std::int64_t i = 0; i < n; i += 2) {
      const T* first = x.at + i * x.apart;
      if (i + 1 < n) {
        join(to + i / 2 * width, first, first + x.apart, width);
      } else {
        for (std::int64_t j = 0; j < width; ++j) to[i / 2 * width + j] = {{first[j], 0}};
      }
    }
    return {to, 1, width};
  }
}

template <typename T>
void Products<T>::add(const HeadRows& to, const Left& x, Range rows, const Right& w, Range terms,
                      std::int64_t columns) const {
  const std::int64_t K = terms.end - terms.begin;
  if (to.at == nullptr) return;
  if constexpr (kHalves) {
    kernels_.add_product_of_halves(to.at, to.apart, {w.at, size(w.length), terms.begin}, x, rows, K,
                                   columns);
  } else {
    for (std::int64_t c = 0; c < columns; c += kPanelRows) {
      const Term* panel = w.at + c * w.length + terms.begin * kPanelRows;
      const std::int64_t n = std::min<std::int64_t>(kPanelRows, columns - c);
      if constexpr (std::is_same_v<T, float>)
        kernels_.add_product(to.at + c, to.apart, panel, x, rows, K, n);
      else
        kernels_.add_product_of_pairs(to.at + c, to.apart, panel, x, rows, K, n);
    }
  }
}

template <typename T>
void TileScores<T>::enter(const Part& part) {
  begin_ = part.begin, end_ = part.last;
  keys_ = products_.factor(key_room_, rows_of(in_.k, part.h, begin_), keys(), hd_);
  turned_ = products_.turn(turned_room_, keys_, keys(), hd_);
  decay_.clear();
  for (std::int64_t t = begin_; !in_.A.empty() && t < end_; ++t)
    decay_.push_back(row(in_.A, t)[part.h]);
}

template <typename T>
auto TileScores<T>::tile(std::int64_t r, std::int64_t t, std::int64_t last) const -> Tile {
  const std::int64_t seen = first_seen(begin_, t, in_.options.window) - begin_,
                     first = seen / kPanelRows * kPanelRows, J = last - begin_ - first;
  return {r, t, last - t, first, J, (J + 1) / 2 * 2};
}

template <typename T>
void TileScores<T>::score(Floats& z, const Tile& tile) {
  at_least(z, tile.R * tile.pitch);
  at_least(scaled_, tile.R * hd_);
  for (std::int64_t i = 0; i < tile.R; ++i) {
    const float* q = rows_of(in_.q, tile.r, tile.t + i).at;
    float *scaled = scaled_.data() + i * hd_, *to = z.data() + i * tile.pitch;
    for (std::int64_t d = 0; d < hd_; ++d) scaled[d] = in_.options.scale * q[d];
    if (decay_.empty()) {
      std::fill_n(to, tile.J, 0.0f);
      continue;
    }
    const float own = decay_[static_cast<std::size_t>(tile.t + i - begin_)];
    const float* decay = decay_.data() + tile.first;
    for (std::int64_t j = 0; j < tile.J; ++j) to[j] = own - decay[j];
  }
  meet(z, products_.factor(query_room_, {scaled_.data(), hd_}, tile.R, hd_), turned_, tile);
}

template <typename T>
void TileScores<T>::meet(Floats& z, const Factors& x, const Right& w, const Tile& tile) {
  constexpr std::int64_t kColumns = Products<T>::kColumns;
  const auto left = products_.left(left_room_, x, tile.R, hd_);
  for (std::int64_t j = 0; j < tile.J; j += kColumns) {
    const Range rows = {std::max<std::int64_t>(0, tile.R - tile.J + j), tile.R};  // see them
    products_.add({z.data() + j, tile.pitch}, left, rows, w.from((tile.first + j) / kPanelRows),
                  {0, products_.terms(hd_)}, std::min(kColumns, tile.J - j));
  }
}

template class Products<float>;
template class Products<std::uint16_t>;
template class Products<Half>;
template class TileScores<float>;
template class TileScores<std::uint16_t>;
template class TileScores<Half>;

}  // namespace r1::cpu
