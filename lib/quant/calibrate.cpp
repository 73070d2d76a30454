#include "lib/quant/calibrate.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "lib/base/error.h"
#include "lib/models/tensor_names.h"
#include "lib/quant/gptq.h"
#include "lib/quant/storable.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

// Of a weight, widened: whole tiles of two threads or four.
constexpr std::int64_t kRowsAtOnce = 768;

std::span<const float> floats(const Tensor& x) {
  return {x.as<float>(), static_cast<std::size_t>(x.shape.elements())};
}

[[noreturn]] void fail_not_finite(std::string_view matrix) {
  fail(ErrorKind::model, "the inputs of {} are not finite", escaped(matrix));
}

// A matrix that is to be packed.
struct Target {
  PlannedTensor tensor;
  quant::BlockType type;
};

// Targets of one input.
struct Group {
  std::vector<const Target*> targets;
  std::int64_t K = 0;
  std::vector<float> hessian;  // [K, K]

  std::uint64_t bytes() const { return 4 * static_cast<std::uint64_t>(K * K); }
};

std::vector<Group> grouped(const std::vector<Target>& targets, const Calibration& calibration) {
  std::map<std::string_view, const Target*> by_name;
  for (const Target& t : targets) by_name[t.tensor.name()] = &t;
  std::vector<Group> groups;
  for (const std::vector<std::string>& names : calibration.groups()) {
    Group group;
    for (const std::string& name : names)
      if (const auto found = by_name.find(name); found != by_name.end())
        group.targets.push_back(found->second);
    if (group.targets.empty()) continue;
    group.K = group.targets[0]->tensor.from().cols();
    groups.push_back(std::move(group));
  }
  return groups;
}

std::vector<std::byte> pack_target(const Target& target, const Gptq& gptq) {
  const PlannedTensor& t = target.tensor;
  const std::int64_t N = t.from().rows(), K = t.from().cols();
  const std::size_t to_bytes =
      static_cast<std::size_t>(K / target.type.elements()) * target.type.bytes();
  std::vector<std::byte> packed(static_cast<std::size_t>(N) * to_bytes);
  std::vector<float> rows;
  for (std::int64_t begin = 0; begin < N; begin += kRowsAtOnce) {
    const std::int64_t n = std::min(kRowsAtOnce, N - begin);
    rows.resize(static_cast<std::size_t>(n * K));
    for (std::int64_t r = 0; r < n; ++r)
      t.read_row(
          std::span(rows).subspan(static_cast<std::size_t>(r * K), static_cast<std::size_t>(K)),
          begin + r);
    gptq.quantize(packed.data() + to_bytes * static_cast<std::size_t>(begin), rows, target.type);
  }
  return packed;
}

// Inputs of scaled columns are smaller by as much. All tensors of one input share their scales.
void scale_hessian(Group& group) {
  const auto& scales = group.targets[0]->tensor.channel_scales;
  if (scales == nullptr) return;
  const std::vector<float>& s = *scales;
  float* h = group.hessian.data();
  for (const float row : s)
    for (const float column : s) *h++ /= row * column;
}

// As many groups from `first` on as there is room for, and one at least.
std::span<Group> next_batch(std::vector<Group>& groups, std::size_t first, std::uint64_t room) {
  std::size_t end = first + 1;
  std::uint64_t bytes = groups[first].bytes();
  while (end < groups.size() && bytes + groups[end].bytes() <= room) bytes += groups[end++].bytes();
  return std::span(groups).subspan(first, end - first);
}

void collect_hessians(std::span<Group> batch, const Calibration& calibration, ThreadPool& pool,
                      ImatrixSums* seen) {
  std::map<std::string_view, Group*> wanted;  // by the one matrix of each that counts
  for (Group& group : batch) {
    group.hessian.assign(static_cast<std::size_t>(group.K * group.K), 0.0f);
    wanted[group.targets[0]->tensor.name()] = &group;
  }
  calibration.run(calibration.windows.size(), [&](const std::string& name, const Tensor& x) {
    if (seen != nullptr) seen->add(name, x);
    if (const auto found = wanted.find(name); found != wanted.end())
      add_to_hessian(found->second->hessian, floats(x), found->second->K, pool);
  });
  for (const auto& [name, group] : wanted)
    for (std::int64_t k = 0; k < group->K; ++k)
      if (!std::isfinite(group->hessian[static_cast<std::size_t>(k * group->K + k)]))
        fail_not_finite(name);
}

// What the head reads, [T, D].
Var read(const Calibration& c, Graph& g, const std::vector<std::int32_t>& window) {
  std::vector<std::int32_t> position, ends_line;
  for (const std::int32_t id : window) {
    position.push_back(static_cast<std::int32_t>(position.size()));
    ends_line.push_back(c.newline[static_cast<std::size_t>(id)]);
  }
  Rows rows;
  rows.ids = g.integers(window);
  rows.position = g.integers(position);
  rows.start = g.integers(std::vector<std::int32_t>(window.size(), 0));
  rows.newline = g.integers(ends_line);
  rows.longest_run = std::ssize(window);
  return c.network.hidden(g, rows);
}

void add_all(ImatrixSums& sums, const Calibration& calibration) {
  calibration.run(calibration.windows.size(),
                  [&](const std::string& name, const Tensor& x) { sums.add(name, x); });
}

PackedTensors pack(const std::vector<Target>& targets, const ModelFiles& files,
                   const Calibration& calibration, ThreadPool& pool, std::uint64_t room,
                   ImatrixSums* seen) {
  std::vector<Group> groups = grouped(targets, calibration);
  PackedTensors packed;
  for (std::size_t first = 0; first < groups.size();) {
    const std::span<Group> batch = next_batch(groups, first, room);
    collect_hessians(batch, calibration, pool, first == 0 ? seen : nullptr);
    for (Group& group : batch) {
      scale_hessian(group);
      const Gptq gptq(std::move(group.hessian), group.K, pool);
      for (const Target* t : group.targets) {
        files.fetch(t->tensor.from());
        packed[t->tensor.name()] = pack_target(*t, gptq);
        files.release(t->tensor.from());
      }
      calibration.step_done();
    }
    first += batch.size();
  }
  if (groups.empty() && seen != nullptr) add_all(*seen, calibration);
  return packed;
}

}  // namespace

void need_finite(const ModelFiles& files) {
  std::vector<float> row;
  for (const NamedTensor& t : files.tensors()) {
    const PlannedTensor whole{{t.name, t.tensor}};
    row.resize(static_cast<std::size_t>(t.tensor.cols()));
    files.fetch(t.tensor);
    for (std::int64_t r = 0; r < t.tensor.rows(); ++r) {
      whole.read_row(row, r);
      need_storable(storable(row, reach(DType::f32)), t.name, to_string(DType::f32));
    }
    files.release(t.tensor);
  }
}

std::map<const void*, std::string> Calibration::matrix_names() const {
  std::map<std::string, std::string> known;
  for (const TensorName& name : tensor_names(network.shape().layers))
    known[gguf ? name.gguf : name.hugging_face] = name.gguf;
  std::map<const void*, std::string> names;
  for (const auto& [name, var] : params.taken()) names.emplace(var.value.data, known.at(name));
  return names;
}

void Calibration::run(std::size_t count, const Seen& seen) const {
  const std::map<const void*, std::string> names = matrix_names();
  Arena arena(backend);
  for (std::size_t i = 0; i < count; ++i) {
    arena.reset();
    Graph g(backend, arena);
    g.watch_products([&](const Tensor& x, const Tensor& w) {
      if (const auto found = names.find(w.data); found != names.end()) seen(found->second, x);
    });
    seen(names.at(network.head().value.data), read(*this, g, windows[i]).value);
    step_done();
  }
}

std::vector<float> Calibration::logits(const std::vector<std::int32_t>& window,
                                       const Graph::Replace& replace) const {
  Arena arena(backend);
  Graph g(backend, arena);
  g.replace_weights(replace);
  const std::span<const float> all = floats(g.linear(read(*this, g, window), network.head()).value);
  return {all.begin(), all.end()};
}

std::vector<std::vector<std::string>> Calibration::groups() const {
  std::vector<std::vector<std::string>> groups;
  const void* last = nullptr;
  run(1, [&](const std::string& name, const Tensor& x) {
    if (groups.empty() || x.data != last) groups.emplace_back();
    groups.back().push_back(name);
    last = x.data;
  });
  return groups;
}

void ImatrixSums::add(const std::string& matrix, const Tensor& x) {
  Sum& sum = sums_[matrix];
  const auto K = static_cast<std::size_t>(x.cols());
  sum.squares.resize(K);
  const std::span<const float> all = floats(x);
  for (std::size_t i = 0; i < all.size(); i += K)
    for (std::size_t k = 0; k < K; ++k) sum.squares[k] += double{all[i + k]} * all[i + k];
  sum.count += x.rows();
}

Imatrix ImatrixSums::imatrix() const {
  Imatrix imatrix;
  for (const auto& [name, sum] : sums_) {
    Imatrix::Entry entry;
    for (const double s : sum.squares) entry.sum2.push_back(static_cast<float>(s));
    if (!std::all_of(sum.squares.begin(), sum.squares.end(),
                     [](double s) { return std::isfinite(s); }))
      fail_not_finite(name);
    entry.count = static_cast<float>(sum.count);
    imatrix.add(name, std::move(entry));
  }
  return imatrix;
}

Imatrix collect_imatrix(const Calibration& calibration) {
  ImatrixSums sums;
  add_all(sums, calibration);
  return sums.imatrix();
}

ByteSpan packed_of(const PackedTensors* packed, std::string_view name) {
  if (packed == nullptr) return {};
  const auto found = packed->find(name);
  return found == packed->end() ? ByteSpan() : ByteSpan(found->second);
}

PackedTensors pack_by_feedback(const QuantizePlan& plan, const Calibration& calibration,
                               ThreadPool& pool, std::uint64_t room, ImatrixSums* seen) {
  std::vector<Target> targets;
  for (const PlannedTensor& t : plan.tensors)
    if (t.packed_anew()) targets.push_back({t, t.to});
  return pack(targets, *plan.files, calibration, pool, room, seen);
}

PackedTensors pack_by_feedback(const FolderPlan& plan, const ModelFiles& files,
                               const Calibration& calibration, ThreadPool& pool, std::uint64_t room,
                               ImatrixSums* seen) {
  assert(plan.type == FolderType::w4a16);
  std::vector<Target> targets;
  for (const FolderWeight& w : plan.weights)
    if (w.quantized)
      targets.push_back(
          {{{w.gguf_name, w.source.tensor}}, quant::BlockType::groups(w.stored[1].tensor.dtype)});
  return pack(targets, files, calibration, pool, room, seen);
}

}  // namespace r1
