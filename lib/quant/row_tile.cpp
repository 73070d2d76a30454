#include "lib/quant/row_tile.h"

#include <algorithm>
#include <cassert>

// Columns are rounded one by one in groups; products carry what a group changed to the rest of its
// batch, and what all columns lost to a batch when its turn comes.
namespace r1::quant {
namespace {

constexpr std::int64_t kBatch = 256;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

// square [n, kBatch] <- the columns begin … begin + n of H in the rows of the same numbers.
void copy_square(float* square, MatrixView<const float> h, std::int64_t begin, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j)
    for (std::int64_t k = 0; k <= j; ++k)
      square[j * kBatch + k] = square[k * kBatch + j] = h.row(begin + j)[begin + k];
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
  for (std::int64_t r = 0; r < rows_; r += kRun) {
    BlockRun run{eight(r, at).x, kBatch, metric_.importance + at, 0, kRun};
    BlockGrid found[kRun], *grids[kRun];
    for (int i = 0; i < kRun; ++i) grids[i] = &grid(r + i, at);
    if (at % elements_ == 0) {
      type_.search(found, run);
      for (int i = 0; i < kRun; ++i) *grids[i] = found[i];
    } else {
      for (std::int64_t c = 0; c < kGroup; c += shape_.sub_block) {
        type_.refine(grids, size((at + c) % elements_ / shape_.sub_block), run);
        run.x += shape_.sub_block;
        run.importance += shape_.sub_block;
      }
    }
  }
}

// The grids of the group at `at` in the eight rows from `row` on.
Steps RowTile::steps(std::int64_t row, std::int64_t at) {
  Steps steps{};
  steps.columns = shape_.sub_block;
  for (std::int64_t part = 0; part * shape_.sub_block < kGroup; ++part)
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const BlockGrid& g = grid(row + static_cast<std::int64_t>(lane), at);
      const std::int64_t j = at % elements_ / shape_.sub_block + part;
      steps.step[part][lane] = g.step(j);
      steps.low[part][lane] = g.low(j);
    }
  return steps;
}

EightRows RowTile::eight(std::int64_t row, std::int64_t at) {
  const std::int64_t place = row * metric_.K + at;
  return {work_.data() + row * kBatch + at % kBatch, kBatch, &lost_[size(place)],
          &levels_[size(place)], metric_.K};
}

void RowTile::feed_back(const float* w, std::int64_t count) {
  assert(count <= kRows);
  count_ = count;
  rows_ = (count + kRun - 1) / kRun * kRun;
  const std::int64_t K = metric_.K;
  const MatrixView<float> work{work_.data(), kBatch}, lost{lost_.data(), K};
  for (std::int64_t r = 0; r < count; ++r) std::copy_n(w + r * K, K, lost.row(r));
  for (std::int64_t r = count; r < rows_; ++r) std::fill_n(lost.row(r), K, 0.0f);
  for (std::int64_t begin = 0; begin < K; begin += kBatch) {
    const std::int64_t end = std::min(begin + kBatch, K);
    for (std::int64_t r = 0; r < rows_; ++r)
      std::copy(lost.row(r) + begin, lost.row(r) + end, work.row(r));
    add_product(work, lost, {metric_.matrix.data + begin, K}, rows_, end - begin, begin);
    for (std::int64_t at = begin; at < end; at += kGroup) {
      choose_scales(at);
      for (std::int64_t r = 0; r < rows_; r += kRun)
        round_group(eight(r, at), steps(r, at), {metric_.matrix.row(at) + at, K}, shape_);
      const std::int64_t next = at + kGroup;
      add_product({work.data + next - begin, kBatch}, {lost.data + at, K},
                  {metric_.matrix.row(at) + next, K}, rows_, end - next, kGroup);
    }
  }
}

void RowTile::descend() {
  const std::int64_t K = metric_.K;
  const MatrixView<float> work{work_.data(), kBatch}, lost{lost_.data(), K};
  std::vector<float> square(size(kBatch * kBatch));
  const bool one_scale = elements_ == kGroup;
  for (std::int64_t begin = 0; begin < K; begin += kBatch) {
    const std::int64_t end = std::min(begin + kBatch, K), n = end - begin;
    copy_square(square.data(), metric_.matrix, begin, n);
    std::fill(work_.begin(), work_.end(), 0.0f);
    add_product_transposed(work, lost, {metric_.matrix.row(begin), K}, rows_, n, begin);
    add_product(work, {lost.data + begin, K}, {square.data(), kBatch}, rows_, n, n);
    add_product(work, {lost.data + end, K}, {metric_.matrix.row(end) + begin, K}, rows_, n,
                K - end);
    for (std::int64_t at = begin; at < end; at += kGroup) {
      const std::int64_t here = at - begin, next = here + kGroup;
      for (std::int64_t r = 0; r < rows_; r += kRun) {
        Steps now = steps(r, at);
        revise_group(eight(r, at), now, one_scale, {square.data() + here * (kBatch + 1), kBatch},
                     shape_);
        if (one_scale)
          for (std::size_t lane = 0; lane < kLanes; ++lane)
            grid(r + static_cast<std::int64_t>(lane), at).d = now.step[0][lane];
      }
      add_product({work.data + next, kBatch}, {work.data + here, kBatch},
                  {square.data() + here * kBatch + next, kBatch}, rows_, n - next, kGroup);
    }
  }
}

void RowTile::write(std::byte* blocks) const {
  const std::size_t bytes = type_.bytes(), elements = size(elements_);
  for (std::size_t i = 0; i < size(count_ * metric_.K) / elements; ++i)
    type_.write(blocks + i * bytes, grids_[i], &levels_[i * elements]);
}

}  // namespace r1::quant
