#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "lib/backend/backend.h"
#include "lib/backend/open_backend.h"
#include "lib/base/error.h"
#include "lib/base/random.h"
#include "lib/tensor/quant_block.h"
#include "tests/support/cuda_host/open.h"
#include "tests/support/other_encoding/open.h"

namespace r1::test {

// One way to run kernels on this machine.
struct Candidate {
  std::string name;  // "cpu avx2": backend, then instruction set; "cuda-host": CUDA's on the CPU;
                     // "cuda invariant": with batch_invariant
  int threads = 0;
  bool invariant() const { return name.ends_with(" invariant"); }
  // Promises the same bits whatever else is in the batch (lib/backend/backend.h).
  bool exact() const { return !name.starts_with("cuda") || invariant(); }
  // For tests of many steps: "cuda-host" switches stacks for each thread of a card.
  bool fast() const { return !name.starts_with("cuda-host"); }
  std::unique_ptr<Backend> open() const {
    const std::size_t space = name.find(' ');
    const std::string backend = name.substr(0, space);
    BackendOptions options{.threads = threads, .batch_invariant = invariant()};
    if (backend == "cuda-host") return open_cuda_host(options);
    const std::string isa = space == std::string::npos ? "" : name.substr(space + 1);
    if (!invariant()) options.cpu_isa = isa;
    try {
      return open_backend(backend, options);
    } catch (const Error& e) {
      if (isa != "avx2_vnni" || e.kind() != ErrorKind::device) throw;
      return open_other_encoding(threads);
    }
  }
};

// All that answer on this machine but for "ref", which the others are held to.
inline std::vector<Candidate> backends() {
  std::vector<Candidate> found;
  constexpr const char* kNames[] = {
    "cpu baseline",
#if defined(__x86_64__)
    "cpu avx2",
    "cpu avx2_vnni",
    "cpu avx512_vnni",
    "cpu avx512_fp16",
    "cpu avx512",
#elif defined(__aarch64__)
    "cpu dotprod",
#endif
    "cuda-host",
    "cuda-host invariant",
    "cuda",
    "cuda invariant"
  };
  for (const char* name : kNames) {
    const Candidate candidate{name, 2};
    try {
      candidate.open();
      found.push_back(candidate);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::device) throw;
    }
  }
  return found;
}

// The same with "ref", for what all of them promise.
inline std::vector<Candidate> backends_and_ref() {
  std::vector<Candidate> all = backends();
  all.insert(all.begin(), {"ref"});
  return all;
}

inline std::size_t count(const Shape& shape) { return static_cast<std::size_t>(shape.elements()); }

// The same numbers everywhere, evenly from low to high.
inline std::vector<float> random_values(std::int64_t n, std::uint64_t seed, float low = -1.0f,
                                        float high = 1.0f) {
  std::vector<float> values(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = low + (high - low) * static_cast<float>(random_uniform(seed, 0, i));
  return values;
}

// One after a document's or vector's end, one before, primes, one: sizes that break kernels.
inline const std::vector<std::int64_t> kAwkward = {1, 7, 15, 16, 17, 31, 33, 255, 257};

// A backend, and memory on it for one test.
class Rig {
 public:
  explicit Rig(const Candidate& candidate)
      : name_(candidate.name), backend_(candidate.open()), arena_(*backend_) {}

  const std::string& name() const { return name_; }
  Backend* operator->() { return backend_.get(); }
  Backend& backend() { return *backend_; }
  Arena& arena() { return arena_; }

  Tensor put(const Shape& shape, const std::vector<float>& values) {
    const Tensor t = arena_.take(shape, DType::f32);
    backend_->copy_from_host(t, values.data());
    return t;
  }
  Tensor put(const std::vector<std::int32_t>& values) {
    const Tensor t = arena_.take({static_cast<std::int64_t>(values.size())}, DType::i32);
    backend_->copy_from_host(t, values.data());
    return t;
  }
  // For an output: all NaN, so that an element nobody writes is seen.
  Tensor unwritten(const Shape& shape) {
    return put(shape, std::vector<float>(count(shape), std::numeric_limits<float>::quiet_NaN()));
  }
  // For a gradient: not zero, so that one that is set and not added to is seen.
  Tensor begun(const Shape& shape) { return put(shape, random_values(shape.elements(), 99)); }

  // A weight [N, K] as it lies in a file, and as `load_weight` lays it out.
  Tensor plain_weight(const Shape& shape, const std::vector<float>& values, DType dtype) {
    const Tensor t = arena_.take(shape, dtype);
    backend_->copy_from_host(t, pack_on_host(t, values));
    return t;
  }
  Tensor loaded_weight(const Shape& shape, const std::vector<float>& values, DType dtype,
                       DType compute) {
    Tensor host{nullptr, shape, dtype};
    host.data = pack_on_host(host, values);
    weights_.push_back(backend_->load_weight(host, compute));
    return weights_.back().tensor;
  }

  template <typename T = float>
  std::vector<T> get(const Tensor& t) {
    std::vector<T> values(count(t.shape));
    backend_->copy_to_host(values.data(), t);
    return values;
  }

 private:
  void* pack_on_host(const Tensor& t, const std::vector<float>& values) {
    files_.emplace_back(t.bytes());
    pack(files_.back().data(), values, t.dtype);
    return files_.back().data();
  }

  std::string name_;
  std::unique_ptr<Backend> backend_;
  Arena arena_;
  std::vector<std::vector<std::byte>> files_;
  std::vector<Backend::Weight> weights_;
};

}  // namespace r1::test
