#include "lib/quant/row_tile.h"

#include <algorithm>
#include <cassert>
#include <cmath>

// Columns are rounded one by one in groups; products carry what a group changed to the rest of its
// batch, and what all columns lost to a batch when its turn comes.
namespace r1::quant {
namespace {

constexpr std::int64_t kGroup = 32, kBatch = 256;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

// square [n, kBatch] <- the columns begin … begin + n of H in the rows of the same numbers.
void copy_square(float* square, Rows<const float> h, std::int64_t begin, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j)
    for (std::int64_t k = 0; k <= j; ++k)
      square[j * kBatch + k] = square[k * kBatch + j] = h.row(begin + j)[begin + k];
}

// The step of a block of one scale, best for its levels q as they are: e + s q costs least at
// s = -(q g) / (q H q), with g = e H, which is kept so. Returns s.
float revise_step(BlockGrid& grid, float* g, const std::int8_t* levels, Rows<const float> h) {
  float qh[kGroup] = {}, qg = 0, qhq = 0;
  for (std::int64_t i = 0; i < kGroup; ++i)
    for (std::int64_t k = 0; k < kGroup; ++k) qh[k] += static_cast<float>(levels[i]) * h.row(i)[k];
  for (std::int64_t i = 0; i < kGroup; ++i) {
    qg += static_cast<float>(levels[i]) * g[i];
    qhq += static_cast<float>(levels[i]) * qh[i];
  }
  const float old = grid.d, best = f16_to_f32(f32_to_f16(old + qg / qhq));
  if (!(qhq > 0) || !std::isfinite(best)) return 0;
  grid.d = best;
  for (std::int64_t k = 0; k < kGroup; ++k) g[k] += (old - best) * qh[k];
  return old - best;
}

}  // namespace

RowTile::RowTile(const Metric& metric, const BlockType& type)
    : metric_(metric),
      type_(type),
      shape_(type.levels()),
      elements_(type.elements()),
      lost_(size(kRows * metric.K)),
      levels_(size(kRows * metric.K)),
      grids_(size(kRows * metric.K / elements_)),
      work_(size(kRows * kBatch)) {}

// The scales of the group of columns at `at`, for the rows as they are now: of whole blocks where
// they begin, and anew of each sub-block when its turn comes.
void RowTile::choose_scales(std::int64_t at) {
  for (std::int64_t r = 0; r < count_; r += kRun) {
    const int count = static_cast<int>(std::min<std::int64_t>(kRun, count_ - r));
    BlockRun run{work_.data() + r * kBatch + at % kBatch, kBatch, metric_.importance + at, 0,
                 count};
    BlockGrid found[kRun], *grids[kRun];
    for (int i = 0; i < count; ++i) grids[i] = &grid(r + i, at);
    if (at % elements_ == 0) {
      type_.search(found, run);
      for (int i = 0; i < count; ++i) *grids[i] = found[i];
    } else {
      for (std::int64_t c = 0; c < kGroup; c += shape_.sub_block) {
        type_.refine(grids, size((at + c) % elements_ / shape_.sub_block), run);
        run.x += shape_.sub_block;
        run.importance += shape_.sub_block;
      }
    }
  }
}

// Rounds kGroup columns, each with what those before it lost.
void RowTile::round_group(std::int64_t at) {
  for (std::int64_t r = 0; r < count_; ++r) {
    float* x = work_.data() + r * kBatch + at % kBatch;
    const BlockGrid& g = grid(r, at);
    for (std::int64_t c = 0; c < kGroup; ++c) {
      const std::int64_t j = (at + c) % elements_ / shape_.sub_block;
      const std::int64_t place = r * metric_.K + at + c;
      const float step = g.step(j), low = g.low(j), q = nearest_level(x[c], step, low, shape_);
      levels_[size(place)] = static_cast<std::int8_t>(q);
      lost_[size(place)] = w_[place] - (step * q - low);
      const float* m = metric_.matrix.row(at + c) + at;
      for (std::int64_t i = c + 1; i < kGroup; ++i) x[i] += lost_[size(place)] * m[i];
    }
  }
}

void RowTile::feed_back(const float* w, std::int64_t count) {
  assert(count <= kRows);
  w_ = w;
  count_ = count;
  const std::int64_t K = metric_.K;
  const Rows<float> work{work_.data(), kBatch}, lost{lost_.data(), K};
  for (std::int64_t begin = 0; begin < K; begin += kBatch) {
    const std::int64_t end = std::min(begin + kBatch, K);
    for (std::int64_t r = 0; r < count; ++r)
      std::copy(w + r * K + begin, w + r * K + end, work.row(r));
    add_product(work, lost, {metric_.matrix.data + begin, K}, count, end - begin, begin);
    for (std::int64_t at = begin; at < end; at += kGroup) {
      choose_scales(at);
      round_group(at);
      const std::int64_t next = at + kGroup;
      add_product({work.data + next - begin, kBatch}, {lost.data + at, K},
                  {metric_.matrix.row(at) + next, K}, count, end - next, kGroup);
    }
  }
}

// With g = e H, column k alone is best at decoded_k + g_k / H_kk. The group's part of `work`, g on
// the way in, is on the way out what was added to lost.
void RowTile::revise_group(std::int64_t at, const float* square) {
  const Rows<const float> h{square + at % kBatch * (kBatch + 1), kBatch};
  for (std::int64_t r = 0; r < count_; ++r) {
    float* g = work_.data() + r * kBatch + at % kBatch;
    BlockGrid& grid_here = grid(r, at);
    std::int8_t* levels = levels_.data() + r * metric_.K + at;
    const float s = elements_ == kGroup ? revise_step(grid_here, g, levels, h) : 0.0f;
    for (std::int64_t c = 0; c < kGroup; ++c) {
      const std::int64_t j = (at + c) % elements_ / shape_.sub_block;
      const float step = grid_here.step(j), low = grid_here.low(j), old = levels[c];
      const float q = nearest_level(step * old - low + g[c] / h.row(c)[c], step, low, shape_);
      const float change = step * (old - q);
      for (std::int64_t i = c + 1; i < kGroup; ++i) g[i] += change * h.row(c)[i];
      levels[c] = static_cast<std::int8_t>(q);
      g[c] = change + s * old;
      lost_[size(r * metric_.K + at + c)] += g[c];
    }
  }
}

void RowTile::descend() {
  const std::int64_t K = metric_.K;
  const Rows<float> work{work_.data(), kBatch}, lost{lost_.data(), K};
  std::vector<float> square(size(kBatch * kBatch));
  for (std::int64_t begin = 0; begin < K; begin += kBatch) {
    const std::int64_t end = std::min(begin + kBatch, K), n = end - begin;
    copy_square(square.data(), metric_.matrix, begin, n);
    std::fill(work_.begin(), work_.end(), 0.0f);
    add_product_transposed(work, lost, {metric_.matrix.row(begin), K}, count_, n, begin);
    add_product(work, {lost.data + begin, K}, {square.data(), kBatch}, count_, n, n);
    add_product(work, {lost.data + end, K}, {metric_.matrix.row(end) + begin, K}, count_, n,
                K - end);
    for (std::int64_t at = begin; at < end; at += kGroup) {
      revise_group(at, square.data());
      const std::int64_t here = at - begin, next = here + kGroup;
      add_product({work.data + next, kBatch}, {work.data + here, kBatch},
                  {square.data() + here * kBatch + next, kBatch}, count_, n - next, kGroup);
    }
  }
}

void RowTile::write(std::byte* blocks) const {
  const std::size_t bytes = type_.bytes(), elements = size(elements_);
  for (std::size_t i = 0; i < size(count_ * metric_.K) / elements; ++i)
    type_.write(blocks + i * bytes, grids_[i], &levels_[i * elements]);
}

}  // namespace r1::quant
