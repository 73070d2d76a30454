#include "tools/bench/op_case.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>

#include <fmt/format.h>

#include "lib/base/random.h"
#include "lib/tensor/quant_block.h"
#include "tools/bench/card_runs.h"
#include "tools/bench/ranges.h"

namespace r1 {
namespace {

constexpr std::int64_t kDrawn = 1 << 20;

const std::vector<float>& random_numbers() {
  static const std::vector<float> numbers = [] {
    std::vector<float> drawn(kDrawn);
    for (std::size_t i = 0; i < drawn.size(); ++i)
      drawn[i] = 2 * static_cast<float>(random_uniform(0, 0, i)) - 1;
    return drawn;
  }();
  return numbers;
}

Tensor part_of(const Tensor& t, std::int64_t from, std::int64_t n) {
  auto* const data = static_cast<std::byte*>(t.data);
  return {data + static_cast<std::size_t>(from) * block_bytes(t.dtype), {n}, t.dtype, t.device};
}

// How many sets of inputs fill the card's cache twice; 1 where there is no card.
std::int64_t sets_wanted(const Backend& backend, double moved, double taken) {
  const auto cache = static_cast<double>(backend.info().cache_bytes);
  const double wanted =
      std::min({std::ceil(2 * cache / std::max(1.0, moved)), static_cast<double>(kMostSets),
                std::floor(room_on(backend) / std::max(1.0, taken))});
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(wanted));
}

}  // namespace

Tensor OpInputs::raw(const Shape& shape, DType dtype) {
  const Tensor t = arena_.take(shape, dtype);
  backend_.zero(t);
  return t;
}

// They repeat after kDrawn, as do the rows of a weight after 64: making random numbers would take
// longer than using them. Each tensor begins elsewhere among them.
Tensor OpInputs::values(const Shape& shape, DType dtype) {
  Tensor& drawn = drawn_[dtype];
  if (drawn.data == nullptr) {
    std::vector<std::byte> host(static_cast<std::size_t>(kDrawn) * block_bytes(dtype));
    pack(host.data(), random_numbers(), dtype);
    drawn = arena_.take({kDrawn}, dtype);
    backend_.copy_from_host(drawn, host.data());
  }
  const Tensor t = arena_.take(shape, dtype);
  const std::int64_t n = shape.elements();
  for (std::int64_t i = 0, at = static_cast<std::int64_t>(++seed_ * 7919 * 64 % kDrawn); i < n;) {
    const std::int64_t some = std::min(n - i, kDrawn - at);
    backend_.copy(part_of(t, i, some), part_of(drawn, at, some));
    i += some;
    at = 0;
  }
  return t;
}

Tensor OpInputs::integers(std::int64_t n, const std::function<std::int64_t(std::int64_t)>& value) {
  std::vector<std::int32_t> values;
  for (std::int64_t i = 0; i < n; ++i) values.push_back(static_cast<std::int32_t>(value(i)));
  const Tensor t = arena_.take({n}, DType::i32);
  backend_.copy_from_host(t, values.data());
  return t;
}

Tensor OpInputs::weight(std::int64_t N, std::int64_t K, DType dtype) {
  const std::int64_t distinct = std::min<std::int64_t>(N, 64);
  const std::size_t row = static_cast<std::size_t>(K / block_elements(dtype)) * block_bytes(dtype);
  std::vector<std::byte> host(row * static_cast<std::size_t>(N));
  std::vector<float> values(static_cast<std::size_t>(K));
  ++seed_;
  for (std::int64_t n = 0; n < N; ++n) {
    std::byte* const to = host.data() + row * static_cast<std::size_t>(n);
    if (n >= distinct) {
      std::memcpy(to, to - row * static_cast<std::size_t>(distinct), row);
      continue;
    }
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] =
          2 * static_cast<float>(random_uniform(seed_, 1 + static_cast<std::uint64_t>(n), i)) - 1;
    pack(to, values, dtype);
  }
  weights_.push_back(backend_.load_weight({host.data(), {N, K}, dtype},
                                          dtype == DType::f32 ? DType::f32 : DType::bf16));
  return weights_.back().tensor;
}

bool is_asked_for(const OpCase& op, std::string_view pattern, bool on_host) {
  if (op.large && on_host) return op.id() == pattern;
  return fits(op.op, pattern) || fits(op.id(), pattern);
}

Runnable op_runnable(const OpCase& op, Backend& backend) {
  struct Sets {
    std::deque<OpInputs> inputs;  // they stay where they are
    std::vector<std::function<void()>> runs;
    std::size_t next = 0;
  };
  const auto sets = std::make_shared<Sets>();
  Runnable r;
  for (std::int64_t wanted = 1; static_cast<std::int64_t>(sets->runs.size()) < wanted;) {
    const std::uint64_t before = backend.memory().used;
    OpRun prepared = op.prepare(sets->inputs.emplace_back(backend));
    sets->runs.push_back(std::move(prepared.run));
    if (sets->runs.size() > 1) continue;
    const auto taken = static_cast<double>(backend.memory().used - before);
    wanted = sets_wanted(backend, prepared.work.bytes, taken);
    r.work = std::move(prepared.work);
  }
  r.record.id = op.id();
  r.record.test.kind = "op";
  r.record.test.device = backend.describe();
  r.record.test.dtype = to_string(op.dtype);
  r.run = [sets] {
    sets->runs[sets->next]();
    sets->next = (sets->next + 1) % sets->runs.size();
  };
  if (backend.device() != Device::cpu) r.wait = [&backend] { backend.synchronize(); };
  return r;
}

double bytes_of(Tensors tensors) {
  double bytes = 0;
  for (const Tensor& t : tensors) bytes += static_cast<double>(t.bytes());
  return bytes;
}

OpRun moves(Tensors tensors, std::function<void()> run) {
  return {std::move(run), {.bytes = bytes_of(tensors), .operations = {}}};
}

OpRun multiplies(Tensors tensors, DType type, double operations, std::function<void()> run) {
  return {std::move(run), {.bytes = bytes_of(tensors), .operations = {{type, operations}}}};
}

std::string rows_of(std::int64_t T, std::int64_t n) { return fmt::format("{}x{}", T, n); }

Tensor zeros(OpInputs& in, std::int64_t T) {
  return in.integers(T, [](std::int64_t) { return 0; });
}

Tensor counting(OpInputs& in, std::int64_t T) {
  return in.integers(T, [](std::int64_t t) { return t; });
}

}  // namespace r1
