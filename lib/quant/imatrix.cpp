#include "lib/quant/imatrix.h"

#include <cmath>

#include "lib/base/error.h"
#include "lib/base/sha256.h"
#include "lib/io/gguf.h"

namespace r1 {
namespace {

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";

std::span<const float> floats_of(const NamedTensor& t, const std::string& file) {
  if (t.tensor.dtype != DType::f32)
    fail(ErrorKind::usage, "{}: {} is {}, not f32", file, escaped(t.name),
         to_string(t.tensor.dtype));
  const std::span<const float> values(t.tensor.as<float>(),
                                      static_cast<std::size_t>(t.tensor.shape.elements()));
  for (const float v : values)
    if (!std::isfinite(v) || v < 0)
      fail(ErrorKind::usage, "{}: {} holds {}, which is no sum of squares", file, escaped(t.name),
           v);
  return values;
}

}  // namespace

Imatrix Imatrix::parse(ByteSpan bytes, const std::string& file) {
  const std::string name = escaped(file);
  const GgufFile gguf = GgufFile::parse(bytes, file);
  if (gguf.string("general.type").value_or("") != "imatrix")
    fail(ErrorKind::usage, "{} is no importance matrix: general.type is not imatrix", name);
  Imatrix out;
  for (const NamedTensor& t : gguf.tensors()) {
    const bool sums = t.name.ends_with(kSums);
    if (!sums && !t.name.ends_with(kCounts)) continue;
    const std::span<const float> values = floats_of(t, name);
    Entry& entry = out.entries_[t.name.substr(0, t.name.size() - (sums ? kSums : kCounts).size())];
    if (sums)
      entry.sum2.assign(values.begin(), values.end());
    else
      entry.count = values[0];
  }
  std::erase_if(out.entries_,
                [](const auto& e) { return e.second.sum2.empty() || e.second.count == 0; });
  if (out.entries_.empty()) fail(ErrorKind::usage, "{} has no {} with {}", name, kSums, kCounts);
  return out;
}

void Imatrix::write(Output& out, const Text& text) const {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, entry] : entries_) {
    const auto K = static_cast<std::int64_t>(entry.sum2.size());
    tensors.push_back({name + std::string(kSums), {const_cast<float*>(entry.sum2.data()), {1, K}}});
    tensors.push_back({name + std::string(kCounts), {const_cast<float*>(&entry.count), {1}}});
  }
  write_gguf(out,
             {{"general.type", std::string("imatrix")},
              {"imatrix.datasets", std::vector<std::string>{text.name}},
              {"imatrix.chunk_count", text.windows},
              {"imatrix.chunk_size", text.window}},
             tensors);
}

std::string Imatrix::digest() const {
  std::string all;
  for (const auto& [name, entry] : entries_) {
    all += name;
    all.append(reinterpret_cast<const char*>(entry.sum2.data()), 4 * entry.sum2.size());
    all.append(reinterpret_cast<const char*>(&entry.count), sizeof entry.count);
  }
  return sha256_hex(as_bytes(all));
}

void Imatrix::check(const std::vector<NamedTensor>& tensors) const {
  bool knows_any = false;
  for (const NamedTensor& t : tensors) {
    const auto found = entries_.find(t.name);
    if (found == entries_.end()) continue;
    knows_any = true;
    if (static_cast<std::int64_t>(found->second.sum2.size()) != t.tensor.cols())
      fail(ErrorKind::usage, "the importance matrix has {} numbers for {}, whose rows have {}",
           found->second.sum2.size(), escaped(t.name), t.tensor.cols());
  }
  if (!knows_any) fail(ErrorKind::usage, "the importance matrix names no tensor of the model");
}

std::span<const float> Imatrix::importance(std::string_view name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? std::span<const float>() : std::span(found->second.sum2);
}

void Imatrix::add(const std::string& name, Entry entry) { entries_[name] = std::move(entry); }

}  // namespace r1
