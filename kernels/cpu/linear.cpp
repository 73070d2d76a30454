#include <algorithm>
#include <atomic>
#include <cassert>
#include <span>
#include <type_traits>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/panels.h"
#include "kernels/cpu/rows.h"
#include "lib/backend/finish.h"
#include "lib/tensor/quant_block.h"

namespace r1 {

using cpu::kPanelRows;
using cpu::PanelType;
using cpu::row;

namespace {

constexpr std::size_t kRows = 24;  // what goes through a product at once divides it
// From so many rows of x on it pays to spread panels, which takes as long as 2 to 15 rows do.
constexpr std::int64_t kSpreadFrom = 32;

std::int64_t panels_of(const Tensor& w) { return (w.rows() + kPanelRows - 1) / kPanelRows; }

// Bytes of a row of x on its way into products.
std::size_t row_size(PanelType type, std::int64_t K) {
  const auto k = static_cast<std::size_t>(K);
  if (type == PanelType::f32) return k * 4;
  if (type == PanelType::bf16) return k * 2;
  if (type == PanelType::f16)
    return sizeof(cpu::Pair) * static_cast<std::size_t>(cpu::pairs_in_f16(K));
  return k / cpu::kBlock * sizeof(cpu::XBlock);
}
// How many of a size fit, in whole lots.
std::int64_t fitting(std::size_t room, std::size_t size, std::size_t lot) {
  return static_cast<std::int64_t>(std::max<std::size_t>(1, room / size / lot) * lot);
}

}  // namespace

Backend::Weight CpuBackend::load_weight(const Tensor& host, DType compute) {
  Weight weight{host, Buffer()};
  if (!is_quantized(host.dtype))
    weight.tensor.dtype = compute == DType::bf16 ? sixteen_bit_type() : DType::f32;
  const PanelType type = cpu::panel_type(weight.tensor.dtype);
  const std::size_t size = cpu::panel_size(type, host.cols());
  weight.memory = Buffer(*this, size * static_cast<std::size_t>(panels_of(host)));
  weight.tensor.data = weight.memory.data();
  weight.tensor.packed = true;
  pool_.for_ranges(panels_of(host), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p)
      lay_panel(weight.tensor.as<std::byte>() + static_cast<std::size_t>(p) * size, type, host, p);
  });
  return weight;
}

double CpuBackend::multiply_in_registers(DType weight, std::int64_t rounds) {
  const bool halves = weight == DType::bf16 || weight == DType::f16;
  const PanelType type = cpu::panel_type(halves ? sixteen_bit_type() : weight);
  std::atomic<double> done = 0;
  pool_.run([&](int) { done += kernels_.multiply_in_registers(type, rounds); });
  return done;
}

cpu::Rows CpuBackend::prepare(const Tensor& x, PanelType type) {
  const std::int64_t T = x.rows(), K = x.cols(), even = (K + 1) / 2 * 2;
  if (type == PanelType::f32) return {.f32 = x.as<float>()};
  if (type == PanelType::f16)
    return x.dtype == DType::bf16 ? in_halves<std::uint16_t>({x.as<std::uint16_t>(), K, 1}, T, K)
                                  : in_halves<float>({x.as<float>(), K, 1}, T, K);
  if (x.dtype == DType::bf16) {
    assert(type == PanelType::bf16 && kernels_.has_bf16 && K == even);
    return {.bf16 = x.as<std::uint16_t>()};
  }
  if (type == PanelType::bf16) {
    const auto convert = [&](auto& to, auto kernel) {
      auto* rows = cpu::at_least(to, T * even);
      for_rows(T, K, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t t = begin; t < end; ++t) {
          rows[(t + 1) * even - 1] = 0;  // where K is odd
          kernel(rows + t * even, row(x, t), K);
        }
      });
      return rows;
    };
    if (kernels_.has_bf16) return {.bf16 = convert(halves_, kernels_.to_bf16)};
    return {.f32 = convert(rounded_, kernels_.round_to_bf16)};
  }
  constexpr std::int64_t kSteps = 4;  // for an element
  const std::int64_t size = K / cpu::kBlock;
  cpu::XBlock* blocks = cpu::at_least(blocks_, T * size);
  for_rows(T, kSteps * K, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t)
      kernels_.quantize(type, blocks + t * size, row(x, t), K);
  });
  return {.blocks = blocks};
}

void CpuBackend::lay_panel(std::byte* panel, PanelType type, const Tensor& w,
                           std::int64_t p) const {
  const std::int64_t K = w.cols(), n = p * kPanelRows,
                     count = std::min<std::int64_t>(kPanelRows, w.rows() - n);
  if (type == PanelType::f16) {  // rows as those of x, which begin with what is one line here
    const std::int64_t size = cpu::pairs_in_f16(K);
    thread_local std::vector<cpu::Pair> memory;
    cpu::Pair* rows = cpu::at_least(memory, count * size);
    std::vector<float> room;
    for (std::int64_t r = 0; r < count; ++r)
      if (w.dtype == DType::bf16 && !w.packed)
        kernels_.scale_bf16_to_f16(rows + r * size, w.as<std::uint16_t>() + (n + r) * K, K,
                                   cpu::kFactorsBelow);
      else
        kernels_.scale_to_f16(rows + r * size, weight_row(w, n + r, room), K, cpu::kFactorsBelow);
    return kernels_.turn_pairs(reinterpret_cast<cpu::Pair*>(panel), rows, size, count, size);
  }
  if (w.dtype == DType::f32 && type == PanelType::f32)
    kernels_.turn(reinterpret_cast<float*>(panel), 1.0f, row(w, n), K, count, K);
  else if (w.dtype == DType::bf16 && type == PanelType::bf16 && K % 2 == 0)
    kernels_.turn_pairs(reinterpret_cast<cpu::Pair*>(panel), w.as<cpu::Pair>() + n * K / 2, K / 2,
                        count, K / 2);
  else
    cpu::pack_panel(panel, type, w, p);
}

// One half is made, and the other is its mirror: the same products, summed in the same order. A
// panel has as many rows less to meet as there are panels before it, so that a thread takes panels
// from both ends.
void CpuBackend::gram(const Tensor& y, const Tensor& x) {
  const std::int64_t T = x.rows(), K = x.cols(), P = panels_of(x);
  const PanelType type = type_of_product(x, x);
  const std::size_t size = cpu::panel_size(type, K);
  const std::int64_t group = fitting(256 << 10, size, 8),
                     chunk = fitting(128 << 10, row_size(type, K), kRows);
  const cpu::Rows rows = prepare(x, type);
  const auto most = static_cast<std::size_t>(group);
  for_rows((P + 1) / 2, kPanelRows * K * T, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> mine;
    for (std::int64_t p = begin; p < end; ++p) mine.push_back(p);
    for (std::int64_t p = std::max(end, P - end); p < P - begin; ++p) mine.push_back(p);
    thread_local std::vector<std::byte> memory;
    std::byte* room = cpu::at_least(memory, group * static_cast<std::int64_t>(size));
    const auto panel = [&](std::size_t i) { return room + i * size; };
    for (std::size_t first = 0; first < mine.size(); first += most) {
      const auto some = std::span(mine).subspan(first, std::min(most, mine.size() - first));
      for (std::size_t i = 0; i < some.size(); ++i) lay_panel(panel(i), type, x, some[i]);
      for (std::int64_t t = 0; t < T; t += chunk)
        for (std::size_t i = 0; i < some.size(); ++i) {
          const std::int64_t n = some[i] * kPanelRows, last = std::min(T, t + chunk);
          if (last > n)
            kernels_.product(type, y.as<float>() + n, T, panel(i), rows, {std::max(t, n), last}, K,
                             std::min<std::int64_t>(kPanelRows, T - n));
        }
    }
  });
  for_rows(T, T, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t)
      for (std::int64_t n = (t / kPanelRows + 1) * kPanelRows; n < T; ++n)
        row(y, t)[n] = row(y, n)[t];
  });
}

void CpuBackend::linear(const Tensor& y, const Tensor& x, const Tensor& w, const Epilogue& then) {
  if (x.data == w.data && x.shape == w.shape && !w.packed) {
    gram(y, x);
    return finish(*this, y, then);
  }
  const Projection one[] = {{y, w, then}};
  linear_all(x, one);
}

// A plain weight becomes f32 panels on the way: x is not rounded then. Both may be of bf16 where
// the processor multiplies that, with an even K, or halves (`multiply`).
PanelType CpuBackend::type_of_product(const Tensor& x, const Tensor& w) const {
  if (w.packed) return cpu::panel_type(w.dtype);
  return x.dtype == DType::f32 ? PanelType::f32 : cpu::panel_type(sixteen_bit_type());
}

// Weights of one type, side by side, take the same rows.
void CpuBackend::linear_all(const Tensor& x, std::span<const Projection> projections) {
  const auto type_of = [&](const Projection& p) { return type_of_product(x, p.w); };
  while (!projections.empty()) {
    const PanelType type = type_of(projections.front());
    const auto other = std::find_if(projections.begin(), projections.end(),
                                    [&](const Projection& p) { return type_of(p) != type; });
    const auto some = projections.first(static_cast<std::size_t>(other - projections.begin()));
    multiply_panels(type, prepare(x, type), x.rows(), x.cols(), some);
    for (const Projection& p : some) finish(*this, p.y, p.then);
    projections = projections.subspan(some.size());
  }
}

// Panels, spread out where there are many rows of x, are taken in groups and rows of x in chunks
// that stay together in a cache of 1 MiB.
void CpuBackend::multiply_panels(PanelType type, const cpu::Rows& x, std::int64_t T, std::int64_t K,
                                 std::span<const Projection> projections) {
  const bool as_is = type == PanelType::f16 || (type == PanelType::bf16 && kernels_.has_bf16);
  const bool spreads = T >= kSpreadFrom && !as_is;
  const std::size_t size = cpu::panel_size(type, K);
  const auto spread_size = spreads ? static_cast<std::size_t>(cpu::spread_size(type, K)) : size;
  const std::int64_t group = fitting(256 << 10, spread_size, 8),
                     chunk = fitting(128 << 10, row_size(type, K), kRows);
  // `count` panels, at most a group, from one on.
  const auto multiply = [&](const Projection& p, std::int64_t first, std::int64_t count) {
    thread_local std::vector<std::byte> laid, spread;
    const std::byte* panels = p.w.as<std::byte>() + static_cast<std::size_t>(first) * size;
    const auto make = [&](std::vector<std::byte>& room, std::size_t bytes, const auto& panel) {
      std::byte* to = cpu::at_least(room, group * static_cast<std::int64_t>(bytes));
      for (std::int64_t i = 0; i < count; ++i) panel(to + static_cast<std::size_t>(i) * bytes, i);
      panels = to;
    };
    if (!p.w.packed)
      make(laid, size, [&](std::byte* to, std::int64_t i) { lay_panel(to, type, p.w, first + i); });
    if (spreads && type != PanelType::f32)
      make(spread, spread_size, [&](std::byte* to, std::int64_t i) {
        kernels_.spread(type, to, panels + static_cast<std::size_t>(i) * size, K);
      });
    const std::int64_t N = p.w.rows(), n = first * kPanelRows;
    for (std::int64_t t = 0; t < T; t += chunk)
      (spreads ? kernels_.product_spread : kernels_.product)(type, p.y.as<float>() + n, N, panels,
                                                             x, {t, std::min(T, t + chunk)}, K,
                                                             std::min(count * kPanelRows, N - n));
  };
  std::int64_t all = 0;
  for (const Projection& p : projections) all += panels_of(p.w);
  const std::int64_t work = kPanelRows * K * std::max<std::int64_t>(T, 1);
  for_rows(all, work, [&](std::int64_t begin, std::int64_t end) {
    for (const Projection& p : projections) {  // begin and end: counted from its first panel
      const std::int64_t count = panels_of(p.w), last = std::min(end, count);
      for (std::int64_t first = std::max<std::int64_t>(0, begin); first < last; first += group)
        multiply(p, first, std::min(group, last - first));
      begin -= count;
      end -= count;
    }
  });
}

const float* CpuBackend::weight_row(const Tensor& w, std::int64_t n,
                                    std::vector<float>& room) const {
  if (!w.packed && w.dtype == DType::f32) return row(w, n);
  room.resize(static_cast<std::size_t>(w.cols()));
  if (w.packed) {
    cpu::unpack_row(room.data(), w, n);
  } else {
    const auto blocks = static_cast<std::size_t>(n * (w.cols() / block_elements(w.dtype)));
    unpack(room, w.as<std::byte>() + blocks * block_bytes(w.dtype), w.dtype);
  }
  return room.data();
}

template <typename T>
void CpuBackend::add_unpacked(const Tensor& dx, const cpu::Strided<T>& dy, const Tensor& w,
                              bool in_halves) {
  constexpr std::int64_t kUnpacked = 1024;
  const std::int64_t N = w.rows(), K = w.cols();
  thread_local std::vector<T> memory;
  T* rows = cpu::at_least(memory, std::min(N, kUnpacked) * K);
  for (std::int64_t begin = 0; begin < N; begin += kUnpacked) {
    const std::int64_t n = std::min(kUnpacked, N - begin);
    for_rows(n, K, [&](std::int64_t first, std::int64_t last) {
      std::vector<float> room;
      for (std::int64_t i = first; i < last; ++i) {
        const float* values = weight_row(w, begin + i, room);
        if constexpr (std::is_same_v<T, float>)
          std::copy_n(values, K, rows + i * K);
        else
          kernels_.to_bf16(rows + i * K, values, K);
      }
    });
    const cpu::Strided<T> some{dy.at + begin, dy.row, 1};
    in_halves ? add_product_of_halves(dx, some, rows, n) : add_product(dx, some, rows, n);
  }
}

// dx += dy w, dw += dy^T x. Where x is rounded on the way there, dy is on the way back: to halves
// or bf16, if the processor multiplies that.
void CpuBackend::linear_backward(const Tensor& dx, const Tensor& dw, const Tensor& dy,
                                 const Tensor& x, const Tensor& w) {
  const std::int64_t T = dy.rows(), N = w.rows(), even = (N + 1) / 2 * 2;
  const bool plain = !w.packed && w.dtype == DType::f32;
  const bool rounds = w.packed && cpu::panel_type(w.dtype) != PanelType::f32;
  if (!dx.empty() && plain)
    add_product<float>(dx, {dy.as<float>(), N, 1}, w.as<float>(), N);
  else if (!dx.empty() && rounds && kernels_.has_bf16)
    add_unpacked<std::uint16_t>(dx, {prepare(dy, PanelType::bf16).bf16, even, 1}, w);
  else if (!dx.empty())
    add_unpacked<float>(dx, {dy.as<float>(), N, 1}, w, rounds && kernels_.has_f16);
  if (dw.empty()) return;
  assert(plain);
  add_product<float>(dw, {dy.as<float>(), 1, N}, x.as<float>(), T);
}

void CpuBackend::add_bias(const Tensor& y, const Tensor& x, const Tensor& b) {
  const std::int64_t N = x.cols();
  for_rows(x.rows(), N, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t)
      for (std::int64_t n = 0; n < N; ++n) row(y, t)[n] = row(x, t)[n] + b.as<float>()[n];
  });
}

void CpuBackend::add_bias_backward(const Tensor& dx, const Tensor& db, const Tensor& dy) {
  if (!db.empty())
    for (std::int64_t t = 0; t < dy.rows(); ++t)
      kernels_.axpy(db.as<float>(), 1.0f, row(dy, t), dy.cols());
  if (!dx.empty()) add_scaled(dx, dy, 1.0f);
}

void CpuBackend::scale_columns(const Tensor& y, const Tensor& x, const Tensor& m, const Tensor& d) {
  const std::int64_t N = x.cols();
  const float *magnitude = m.as<float>(), *divisor = d.as<float>();
  for_rows(x.rows(), N, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t)
      for (std::int64_t n = 0; n < N; ++n)
        row(y, t)[n] = row(x, t)[n] * (magnitude[n] / divisor[n]);
  });
}

void CpuBackend::scale_columns_backward(const Tensor& dx, const Tensor& dm, const Tensor& dy,
                                        const Tensor& x, const Tensor& m, const Tensor& d) {
  const float *magnitude = m.as<float>(), *divisor = d.as<float>();
  for_rows(dy.cols(), dy.rows(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = 0; t < dy.rows(); ++t) {
      const float *from = row(dy, t), *values = row(x, t);
      if (!dx.empty())
        for (std::int64_t n = begin; n < end; ++n)
          row(dx, t)[n] += from[n] * (magnitude[n] / divisor[n]);
      if (!dm.empty())
        for (std::int64_t n = begin; n < end; ++n)
          dm.as<float>()[n] += from[n] * values[n] / divisor[n];
    }
  });
}

void CpuBackend::embedding(const Tensor& y, const Tensor& w, const Tensor& ids) {
  for_rows(y.rows(), y.cols(), [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> room;
    for (std::int64_t t = begin; t < end; ++t) {
      const float* values = weight_row(w, ids.as<std::int32_t>()[t], room);
      std::copy(values, values + y.cols(), row(y, t));
    }
  });
}

void CpuBackend::embedding_backward(const Tensor& dw, const Tensor& dy, const Tensor& ids) {
  gather_rows_backward(dw, dy, ids);
}

}  // namespace r1
