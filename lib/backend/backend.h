#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "lib/backend/activation.h"
#include "lib/backend/dropout.h"
#include "lib/backend/memory.h"
#include "lib/backend/recording.h"
#include "lib/tensor/tensor.h"

namespace r1 {

// How rows of attention look back.
struct AttentionOptions {
  float scale = 1.0f;       // multiplies q·k
  std::int64_t window = 0;  // positions each row may see, itself included; 0: all
  float skip = 0.0f;        // DAW: leave out blocks that hold less than this share of the mass;
                            // 0: none. `ref` never skips
  std::int64_t longest_run = 1;  // attention_paged: the most rows in a row that are successive
                                 // positions of one sequence. A hint: no result depends on it
  DType products = DType::f32;   // attention, attention_backward: bf16 may round both sides of each
                                 // product to bf16; sums stay f32. `ref` never rounds
};

// What a device has of memory, in bytes. All 0 where that is the operating system's matter.
struct DeviceMemory {
  std::uint64_t total = 0, free = 0;  // of the device; others may use it too
  std::uint64_t used = 0, peak = 0;   // by this backend
};

// What a device says of itself. Empty, and 0, where that is the operating system's matter or it
// does not say.
struct DeviceInfo {
  std::string name, architecture;  // "NVIDIA H200", "sm_90"
  std::string driver;              // "580.95.05"
  std::string cuda, driver_cuda;   // "13.0": of the runtime, and the newest that the driver knows
  std::string link;                // to the host, at best: "PCIe 5 x16"
  int processors = 0;              // multiprocessors
  std::uint64_t cache_bytes = 0;   // of the cache that all of them share
};

// One layer's keys and values of all sequences, in pages of kPageTokens positions.
// dtype of keys and values (the same): f32, f16, bf16 (hd is even), or q8_0 in blocks along hd (a
// multiple of 32). Each row [hd] is what `pack` makes of it. A page number indexes the first
// dimension; how things lie inside a page of one head is the backend's own matter.
inline constexpr std::int64_t kPageTokens = 64;
struct PagedKv {
  Tensor keys;     // [P, KV, kPageTokens, hd]
  Tensor values;   // [P, KV, kPageTokens, hd]
  Tensor decay;    // [P, KV, kPageTokens] f32, the A of DAW; empty: a model without DAW
  Tensor longest;  // [P, KV] f32: the largest |k| of each page; empty: nothing is skipped
  Tensor table;    // i32 [S, pages per sequence]: page number of each page of each sequence
};

// The most that `leaders` gives of a row.
inline constexpr std::int64_t kMostLeaders = 128;

// What becomes of a product on its way out: y = activation(product + bias) + residual.
struct Epilogue {
  Tensor bias;      // [N], or empty
  Tensor residual;  // [T, N], or empty; not together with an activation
  Activation activation = Activation::none;
};

// One of several products of the same x.
struct Projection {
  Tensor y, w;
  Epilogue then;
};

// One side of `multiply`: values [R, K], or their transpose [K, R] where K does not run along rows.
struct Factor {
  Tensor values;
  bool along_k = true;
  Tensor scale;  // [1] f32, of 8-bit floats
};

// What AdamW knows of a gradient: f32, bf16, or e4m3 in blocks of kMomentBlock elements, each times
// the scale of its block. The second moment is held by its square root then, and never becomes 0.
inline constexpr std::int64_t kMomentBlock = 128;
struct Moment {
  Tensor values;
  Tensor scale;  // [blocks] f32, of 8-bit floats
};

struct AdamwOptions {
  float learning_rate = 1e-3f, beta1 = 0.9f, beta2 = 0.95f, epsilon = 1e-8f, weight_decay = 0.0f;
  float gradient_scale = 1.0f;  // g is multiplied by it first: clipping
  std::int64_t step = 1;        // from 1: corrects the bias of the moments
  std::uint64_t seed = 0;       // of how numbers are rounded: another in each step, of each tensor
};

// Every operation the models need, once per device. Outputs come first. All pointers live on
// `device()`. Calls are queued in order; only `synchronize` and `copy_to_host` wait.
//
// Activations and gradients are f32, but for operands of products (operand_type). `*_backward` ADDS
// into its outputs, and skips an output whose tensor is empty (a frozen weight). No op may be given
// an output that is one of its inputs. On `ref` and `cpu` a row of the result depends on that row
// of the input alone, bit for bit: not on the number of rows, their order or the number of threads.
class Backend {
 public:
  virtual ~Backend();
  virtual Device device() const = 0;
  virtual std::string describe() const = 0;  // for people: "cpu (avx512), threads: 2"
  virtual DeviceInfo info() const { return {}; }

  // --- memory ---------------------------------------------------------------------------------
  virtual void* allocate(std::size_t bytes) = 0;  // aligned to 64; fails with oom_cpu or oom_gpu
  virtual void release(void* memory) = 0;
  virtual void copy_from_host(const Tensor& dst, const void* src) = 0;
  virtual void copy_to_host(void* dst, const Tensor& src) = 0;
  virtual void copy(const Tensor& dst, const Tensor& src) = 0;  // as many bytes, elsewhere
  virtual void zero(const Tensor& t) = 0;
  virtual void synchronize() = 0;
  virtual DeviceMemory memory() const { return {}; }
  virtual void reset_peak() {}                  // of memory(): what is used now
  virtual std::unique_ptr<Recording> record();  // nothing is in it yet; the backend outlives it

  // Makes a matrix [N, K] of a file ready for `linear` and `embedding`, in the layout this
  // backend's products want. `host` stays readable while the result lives if the result refers to
  // it (then `memory` is empty). `compute` says what products are made in: DType::f32 keeps every
  // bit of f32, f16 and bf16 weights; DType::bf16 may round both operands of a product to bf16, or
  // to f16, and to that sums of up to 64 terms. Quantized weights ignore it.
  struct Weight {
    Tensor tensor;
    Buffer memory;
  };
  virtual Weight load_weight(const Tensor& host, DType compute) = 0;

  // Of bf16 and f16, the type that is multiplied faster: of use to a cache.
  virtual DType sixteen_bit_type() const { return DType::bf16; }

  // Of no use but to be timed by r1-bench, which calls the rate the limit of `linear`: runs the
  // instructions that products with such a weight are made of, on registers alone, on all threads,
  // for `rounds` rounds of some hundred cycles. Returns the operations done, a multiplication and
  // an addition being two; 0: not known.
  virtual double multiply_in_registers(DType weight, std::int64_t rounds);

  // --- products -------------------------------------------------------------------------------
  // y = x w^T, and then what the epilogue says, as add_bias, gelu and add would do it: on `ref` and
  // `cpu` with the same bits.  x [T, K]; w [N, K] of any weight type, packed or plain; y [T, N].
  // Quantized w: x is rounded to 8 bits in blocks of 32 (cpu); `ref` takes x as it is.
  virtual void linear(const Tensor& y, const Tensor& x, const Tensor& w, const Epilogue& then) = 0;
  // Each as `linear` would make it, to the bit, so that what they need of x may be made once. None
  // reads what another writes.
  virtual void linear_all(const Tensor& x, std::span<const Projection> projections);
  // What `linear` would round T rows of x to before it multiplies them by w, f32 being as they are.
  // In this type x may be given to `linear`, and y asked of rms_norm and swiglu: they round as
  // `linear` does, and the product has the same bits.
  virtual DType operand_type(const Tensor& /*w*/, std::int64_t /*T*/) const { return DType::f32; }
  // Of y = x w^T alone, dy rounded or not as x is.  dx += dy w;  dw += dy^T x (of a plain f32 w).
  virtual void linear_backward(const Tensor& dx, const Tensor& dw, const Tensor& dy,
                               const Tensor& x, const Tensor& w) = 0;

  // y = x rounded to nearest even, too large becoming infinite.  x f32, y f16 or bf16 of one shape.
  virtual void round(const Tensor& y, const Tensor& x) = 0;
  // y = x / scale rounded to the 8-bit float that y is, too large becoming the largest. scale =
  // max |x| / the type's largest, or 1 where that is no normal number: x is all zeros. Divisions
  // are rounded to f32.  x f32, y [R, C]; turned [C, R], the transpose of y, may be empty; scale
  // f32 [1].
  virtual void round_to_fp8(const Tensor& y, const Tensor& turned, const Tensor& scale,
                            const Tensor& x) = 0;
  // y = a b^T, times the scales, and then what the epilogue says, whose residual may be y itself:
  // y += a b^T.  y f32 [M, N]; a [M, K] and b [N, K] of f16 or of bf16, or any 8-bit floats.
  virtual void multiply(const Tensor& y, const Factor& a, const Factor& b,
                        const Epilogue& then) = 0;

  // y = x + b by row.  x, y [T, N]; b [N].   db += sum of dy over rows; dx += dy.
  virtual void add_bias(const Tensor& y, const Tensor& x, const Tensor& b) = 0;
  virtual void add_bias_backward(const Tensor& dx, const Tensor& db, const Tensor& dy) = 0;

  // y = x m / d by column.  x, y [T, N]; m, d [N].   dx += dy m / d; dm += sum of dy x / d over
  // rows.
  virtual void scale_columns(const Tensor& y, const Tensor& x, const Tensor& m,
                             const Tensor& d) = 0;
  virtual void scale_columns_backward(const Tensor& dx, const Tensor& dm, const Tensor& dy,
                                      const Tensor& x, const Tensor& m, const Tensor& d) = 0;

  // y[t] = w[ids[t]].  y [T, D]; w [V, D] of any weight type, packed or plain; ids i32 [T].
  virtual void embedding(const Tensor& y, const Tensor& w, const Tensor& ids) = 0;
  virtual void embedding_backward(const Tensor& dw, const Tensor& dy, const Tensor& ids) = 0;

  // --- by row ---------------------------------------------------------------------------------
  // y = x / rms(x) * w.  x, y [R, D]; w [D]; rstd [R] is kept for the backward pass, may be empty.
  // y may be f16 or bf16.
  virtual void rms_norm(const Tensor& y, const Tensor& rstd, const Tensor& x, const Tensor& w,
                        float eps) = 0;
  virtual void rms_norm_backward(const Tensor& dx, const Tensor& dw, const Tensor& dy,
                                 const Tensor& x, const Tensor& w, const Tensor& rstd) = 0;

  // y = silu(gate) * up.  All [T, K]; y may be f16 or bf16.
  virtual void swiglu(const Tensor& y, const Tensor& gate, const Tensor& up) = 0;
  virtual void swiglu_backward(const Tensor& dgate, const Tensor& dup, const Tensor& dy,
                               const Tensor& gate, const Tensor& up) = 0;

  // y = x/2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3).  Any shape.   arXiv:1606.08415
  virtual void gelu(const Tensor& y, const Tensor& x) = 0;
  virtual void gelu_backward(const Tensor& dx, const Tensor& dy, const Tensor& x) = 0;

  // y[i] = x[i] times the factor of element i.  Any shape.   dx[i] += dy[i] times the same.
  virtual void dropout(const Tensor& y, const Tensor& x, const Dropout& options) = 0;
  virtual void dropout_backward(const Tensor& dx, const Tensor& dy, const Dropout& options) = 0;

  // y = a + b.  All [T, D].   Backward: da += dy, db += dy (add_scaled).
  virtual void add(const Tensor& y, const Tensor& a, const Tensor& b) = 0;
  // y += s x, any shape. The one op that changes its output in place: sums of gradients.
  virtual void add_scaled(const Tensor& y, const Tensor& x, float s) = 0;
  // y = a x + b z.  All of one shape; y may be x or z, and z empty. No gradient.
  virtual void blend(const Tensor& y, float a, const Tensor& x, float b, const Tensor& z) = 0;

  // y[i] = x[rows[i]].  y [R, D]; x [T, D]; rows i32 [R].   dx[rows[i]] += dy[i].
  virtual void gather_rows(const Tensor& y, const Tensor& x, const Tensor& rows) = 0;
  virtual void gather_rows_backward(const Tensor& dx, const Tensor& dy, const Tensor& rows) = 0;

  // --- positions ------------------------------------------------------------------------------
  // table[t, i] = magnitude * (cos, sin)(positions[t] * frequencies[i]), the angle in f32.
  // table [T, hd/2, 2]; positions i32 [T]; frequencies f32 [hd/2].
  virtual void rope_table(const Tensor& table, const Tensor& positions, const Tensor& frequencies,
                          float magnitude) = 0;
  // Turns the pairs of each head.  x, y [T, H, hd]; pair i is (i, i + hd/2), or (2i, 2i + 1) when
  // interleaved.   RoFormer, arXiv:2104.09864
  virtual void rope(const Tensor& y, const Tensor& x, const Tensor& table, bool interleaved) = 0;
  virtual void rope_backward(const Tensor& dx, const Tensor& dy, const Tensor& table,
                             bool interleaved) = 0;

  // --- DAW: dynamic attention weighting (lib/models/decoder.cpp has the formulas) --------------
  // A_t = A_{t-1} + log sigmoid(a_t + b - n_t 8 softplus(l - 4)), from base (or 0) at the first row
  // of each document.  A, a, base [T, KV]; b, l [KV]; newline i32 [T] (0 or 1); start i32 [T]: the
  // first row of the document of row t. `l` and `newline` may both be empty, `base` may be empty;
  // base is read at row start[t] only and has no gradient.
  virtual void daw_decay(const Tensor& A, const Tensor& a, const Tensor& b, const Tensor& l,
                         const Tensor& newline, const Tensor& start, const Tensor& base) = 0;
  virtual void daw_decay_backward(const Tensor& da, const Tensor& db, const Tensor& dl,
                                  const Tensor& dA, const Tensor& a, const Tensor& b,
                                  const Tensor& l, const Tensor& newline, const Tensor& start) = 0;
  // y[t, h] = 2 sigmoid(a[t, kv(h)] + b[kv(h)]) q[t, h].  y, q [T, H, hd]; a [T, KV]; b [KV].
  virtual void daw_gain(const Tensor& y, const Tensor& q, const Tensor& a, const Tensor& b) = 0;
  virtual void daw_gain_backward(const Tensor& dq, const Tensor& da, const Tensor& db,
                                 const Tensor& dy, const Tensor& q, const Tensor& a,
                                 const Tensor& b) = 0;

  // --- attention ------------------------------------------------------------------------------
  // y_i = softmax_j(scale q_i·k_j + A_i - A_j) v over start[i] <= j <= i, by head; query head h
  // uses key head h / (H / KV). For whole documents in a row: training, and tests. y, q [T, H, hd];
  // k, v [T, KV, hd]; A [T, KV] or empty; start i32 [T]: the first row of each row's document. lse
  // [T, H] keeps the log of the softmax's sum for the backward pass, may be empty. Last digits of
  // dk, dv and dA, which are sums over rows, depend on how many documents stand in the call.
  virtual void attention(const Tensor& y, const Tensor& lse, const Tensor& q, const Tensor& k,
                         const Tensor& v, const Tensor& A, const Tensor& start,
                         const AttentionOptions& options) = 0;
  virtual void attention_backward(const Tensor& dq, const Tensor& dk, const Tensor& dv,
                                  const Tensor& dA, const Tensor& dy, const Tensor& y,
                                  const Tensor& lse, const Tensor& q, const Tensor& k,
                                  const Tensor& v, const Tensor& A, const Tensor& start,
                                  const AttentionOptions& options) = 0;

  // The cache. Row t is position[t] of sequence[t] (both i32 [T]), sequence being a row of
  // kv.table. `kv_store` writes k, v [T, KV, hd] and A [T, KV] (or empty) to their places, those of
  // a page by rising positions; `kv_load_decay` reads base[t] = the A of the position before (0 at
  // position 0).
  virtual void kv_store(const PagedKv& kv, const Tensor& k, const Tensor& v, const Tensor& A,
                        const Tensor& sequence, const Tensor& position) = 0;
  virtual void kv_load_decay(const Tensor& base, const PagedKv& kv, const Tensor& sequence,
                             const Tensor& position) = 0;
  // As `attention`, over the stored positions 0 … position[t] of sequence[t]; A [T, KV] are the
  // rows' own values. y, q [T, H, hd]. Products may be made of 16 bits where the pages have no
  // more.
  virtual void attention_paged(const Tensor& y, const Tensor& q, const PagedKv& kv, const Tensor& A,
                               const Tensor& sequence, const Tensor& position,
                               const AttentionOptions& options) = 0;

  // --- choosing -------------------------------------------------------------------------------
  // What a draw looks at, so that logits need not leave the device. logits [R, V], of which columns
  // 0 … allowed - 1 count. ids i32, values [R, K]: the K largest, falling, of equals the lower
  // column first; K <= kMostLeaders and <= allowed. sums [R], may be empty: of
  // exp((logit - largest) / temperature), with temperature [R] above 0. A row with a NaN or +inf,
  // or without any finite logit, has -1 as its first id, and nothing else in it means anything.
  virtual void leaders(const Tensor& ids, const Tensor& values, const Tensor& sums,
                       const Tensor& logits, const Tensor& temperature, std::int64_t allowed) = 0;

  // --- loss and optimizer -----------------------------------------------------------------------
  // loss[t] = log sum exp(logits[t]) - logits[t, targets[t]], 0 where targets[t] is -1.
  // logits [T, V]; targets i32 [T]; loss [T].
  virtual void cross_entropy(const Tensor& loss, const Tensor& logits, const Tensor& targets) = 0;
  // dlogits += dloss[t] (softmax(logits[t]) - one_hot(targets[t])), nothing where targets[t] is -1.
  virtual void cross_entropy_backward(const Tensor& dlogits, const Tensor& dloss,
                                      const Tensor& logits, const Tensor& targets) = 0;
  // Decoupled weight decay, arXiv:1711.05101. w, m, v, g of one shape; w, f32 or bf16, m and v are
  // changed in place; what is not f32 is rounded by chance (stochastic.h).
  virtual void adamw(const Tensor& w, const Moment& m, const Moment& v, const Tensor& g,
                     const AdamwOptions& options) = 0;
  // out [1] += the sum of squares of x, added in chunks of fixed size.
  virtual void sum_squares(const Tensor& out, const Tensor& x) = 0;
};

}  // namespace r1
