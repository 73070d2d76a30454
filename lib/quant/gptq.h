#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lib/base/parallel.h"
#include "lib/quant/block_type.h"

namespace r1 {

// hessian [K, K] += x^T x for inputs x [T, K], on and above the diagonal. K^2 / 2 products a row.
void add_to_hessian(std::span<float> hessian, std::span<const float> x, std::int64_t K,
                    ThreadPool& pool);

// Error feedback: a weight is rounded column by column, each column making good what those before
// it lost, so that the outputs over the calibration inputs change least: tr(E H E^T), E = W - Q.
// This is GPTQ (Frantar et al. 2022) in the form of QuIP's LDLQ (Chee et al. 2023, who prove that
// both give the same numbers), which takes no inverse of H: with H = R R^T, R upper triangular, and
// M_jk = R_jk / R_kk, column k is rounded as w_k + sum over j < k of e_j M_jk, and the error is the
// sum of R_kk^2 (what rounding column k changed)^2. So R_kk^2 is the importance of column k in the
// search for the scales of its block.
// Sweeps of coordinate descent follow, each a pass in which every column takes the level that is
// best beside all the others (Behdin et al. 2023, QuantEase), and scales theirs where a block has
// one.
class Gptq {
 public:
  // hessian [K, K]: the sum of x x^T over calibration inputs, read on and above the diagonal; kept,
  // 4 K^2 bytes. K is a multiple of 32. Each diagonal element is raised by its share `damping`,
  // which takes as much from all correlations: few inputs show some that are chance. At least 1e-3,
  // below which f32 does not carry the factor of a singular H. Columns whose input was always zero
  // are rounded by themselves. K^3 / 6 products. The pool must outlive this.
  Gptq(std::vector<float> hessian, std::int64_t K, ThreadPool& pool, double damping = 0.1);

  // blocks <- w [N, K], finite, on the grid of a type. The same bytes for any number of threads and
  // for any rows beside a row. K (1/2 + sweeps) products a weight.
  void quantize(void* blocks, std::span<const float> w, const quant::BlockType& type,
                int sweeps = 2) const;

 private:
  std::int64_t K_;
  ThreadPool& pool_;
  std::vector<float> matrix_;      // [K, K]: damped H on and below the diagonal, M above it
  std::vector<float> importance_;  // [K]: R_kk^2
};

}  // namespace r1
