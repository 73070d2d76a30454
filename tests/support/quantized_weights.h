#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "lib/io/weights.h"

namespace r1::test {

// The tensors of a folder put together by hand.
class Tensors {
 public:
  template <typename T>
  void add(const std::string& name, const Shape& shape, DType dtype, const std::vector<T>& values) {
    Tensor t{nullptr, shape, dtype};
    t.data = memory_.emplace_back(t.bytes()).data();
    std::memcpy(t.data, values.data(), t.bytes());
    named_.push_back({name, t});
  }
  void add(const NamedTensor& t) { named_.push_back(t); }  // of what outlives this
  Tensor& at(const std::string& name) {
    for (NamedTensor& t : named_)
      if (t.name == name) return t.tensor;
    throw std::out_of_range(name);
  }
  void drop(const std::string& name) {
    std::erase_if(named_, [&](const NamedTensor& t) { return t.name == name; });
  }
  const std::vector<NamedTensor>& named() const { return named_; }

 private:
  std::deque<std::vector<std::byte>> memory_;
  std::vector<NamedTensor> named_;
};

// A matrix of whole numbers with a scale and a zero point for each group of a row, and how each of
// the formats stores it. Written from the formats' descriptions, one number at a time.
struct IntegerMatrix {
  std::size_t N = 0, K = 0, group = 0;
  unsigned bits = 4;
  std::vector<unsigned> level;      // [N, K]
  std::vector<float> scale;         // [N, G]
  std::vector<unsigned> zero;       // [N, G]
  std::vector<std::int32_t> g_idx;  // [K]
  DType scale_type = DType::f16;

  std::size_t G() const { return K / group; }
  double value(std::size_t n, std::size_t k) const {
    const std::size_t at = n * G() + static_cast<std::size_t>(g_idx[k]);
    return double{scale[at]} * (double(level[n * K + k]) - double(zero[at]));
  }

  // [rows, cols] of small numbers -> words along the last dimension. place(i): where in its word
  // the i-th of them goes.
  using Place = std::function<unsigned(unsigned)>;
  std::vector<std::uint32_t> words(std::size_t rows, std::size_t cols,
                                   const std::function<unsigned(std::size_t, std::size_t)>& number,
                                   const Place& place) const {
    const std::size_t most = 32 / bits, across = (cols + most - 1) / most;
    std::vector<std::uint32_t> out(rows * across);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < cols; ++c)
        out[r * across + c / most] |= std::uint32_t{number(r, c)}
                                      << (bits * place(static_cast<unsigned>(c % most)));
    return out;
  }
  static std::vector<std::uint32_t> transposed(const std::vector<std::uint32_t>& m,
                                               std::size_t rows) {
    const std::size_t cols = m.size() / rows;
    std::vector<std::uint32_t> out(m.size());
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < cols; ++c) out[c * rows + r] = m[r * cols + c];
    return out;
  }
  void add_scales(Tensors& out, const std::string& name, bool by_group) const {
    const std::size_t rows = by_group ? G() : N, cols = by_group ? N : G();
    std::vector<std::uint16_t> halves;
    std::vector<float> floats;
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < cols; ++c) {
        const float s = by_group ? scale[c * G() + r] : scale[r * G() + c];
        floats.push_back(s);
        halves.push_back(scale_type == DType::f16 ? f32_to_f16(s) : f32_to_bf16(s));
      }
    const Shape shape{std::int64_t(rows), std::int64_t(cols)};
    if (scale_type == DType::f32)
      out.add(name, shape, DType::f32, floats);
    else
      out.add(name, shape, scale_type, halves);
  }

  void add_compressed(Tensors& out, const std::string& module, bool zeros) const {
    const auto same = [](unsigned i) { return i; };
    const auto most = std::int64_t(32 / bits);
    const auto n64 = std::int64_t(N), k64 = std::int64_t(K), g64 = std::int64_t(G());
    out.add(module + ".weight_packed", {n64, (k64 + most - 1) / most}, DType::i32,
            words(
                N, K, [&](std::size_t n, std::size_t k) { return level[n * K + k]; }, same));
    add_scales(out, module + ".weight_scale", false);
    out.add(module + ".weight_shape", {2}, DType::i64, std::vector<std::int64_t>{n64, k64});
    if (!zeros) return;
    const auto zero_of = [&](std::size_t g, std::size_t n) { return zero[n * G() + g]; };
    const std::vector<std::uint32_t> by_group = words(G(), N, zero_of, same);  // [G, N / 8]
    out.add(module + ".weight_zero_point", {(n64 + most - 1) / most, g64}, DType::i32,
            transposed(by_group, G()));
  }
  void add_g_idx(Tensors& out, const std::string& name) const {
    out.add(name, {std::int64_t(K)}, DType::i32, g_idx);
  }

  // `less`: what is taken from each zero point, 1 in the first version of the format.
  void add_gptq(Tensors& out, const std::string& module, unsigned less) const {
    const auto same = [](unsigned i) { return i; };
    const auto most = std::int64_t(32 / bits);
    const auto n64 = std::int64_t(N), k64 = std::int64_t(K), g64 = std::int64_t(G());
    const std::vector<std::uint32_t> by_row = words(
        N, K, [&](std::size_t n, std::size_t k) { return level[n * K + k]; }, same);
    out.add(module + ".qweight", {k64 / most, n64}, DType::i32, transposed(by_row, N));
    out.add(
        module + ".qzeros", {g64, n64 / most}, DType::i32,
        words(
            G(), N, [&](std::size_t g, std::size_t n) { return zero[n * G() + g] - less; }, same));
    add_scales(out, module + ".scales", true);
    add_g_idx(out, module + ".g_idx");
  }

  void add_awq(Tensors& out, const std::string& module) const {
    // Word bits 4i … 4i + 3 hold output kOutput[i].
    constexpr unsigned kOutput[] = {0, 2, 4, 6, 1, 3, 5, 7};
    const auto place = [&](unsigned output) {
      unsigned i = 0;
      while (kOutput[i] != output) ++i;
      return i;
    };
    const auto n64 = std::int64_t(N), k64 = std::int64_t(K), g64 = std::int64_t(G());
    out.add(module + ".qweight", {k64, n64 / 8}, DType::i32,
            words(
                K, N, [&](std::size_t k, std::size_t n) { return level[n * K + k]; }, place));
    out.add(module + ".qzeros", {g64, n64 / 8}, DType::i32,
            words(
                G(), N, [&](std::size_t g, std::size_t n) { return zero[n * G() + g]; }, place));
    add_scales(out, module + ".scales", true);
  }
};

}  // namespace r1::test
