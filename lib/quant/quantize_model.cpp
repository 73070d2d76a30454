#include "lib/quant/quantize_model.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <future>

#include "lib/base/error.h"
#include "lib/quant/search.h"
#include "lib/quant/storable.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

constexpr std::int64_t kPieceBytes = std::int64_t{32} << 20;  // of f32

std::size_t row_bytes(DType dtype, std::int64_t cols) {
  return static_cast<std::size_t>(cols / block_elements(dtype)) * block_bytes(dtype);
}

std::int64_t rows_of_piece(const Tensor& t) {
  return std::clamp<std::int64_t>(kPieceBytes / (4 * t.cols()), 1, t.rows());
}

const std::byte* row_at(const Tensor& t, std::int64_t row) {
  return t.as<std::byte>() + static_cast<std::size_t>(row) * row_bytes(t.dtype, t.cols());
}

// Rows [begin, begin + n) as a matrix of their own.
Tensor rows_of(const Tensor& t, std::int64_t begin, std::int64_t n) {
  return {const_cast<std::byte*>(row_at(t, begin)), {n, t.cols()}, t.dtype};
}

ByteSpan bytes_of(const Tensor& t) { return {t.as<std::byte>(), t.bytes()}; }

// What the tensor and what fills it up take in its file.
std::size_t stored_bytes(const PlannedTensor& t) {
  const std::size_t bytes = t.target().bytes();
  return bytes + gguf_padding(bytes).size();
}

// Where they end.
std::uint64_t end_of(const QuantizePlan& plan, std::size_t i) {
  return plan.begins[i] + stored_bytes(plan.tensors[i]);
}

// What decides the new tensor's bytes beside its numbers and the options: the scales of its
// columns, and how it was packed already.
void add_others(Checksum& sum, const PlannedTensor& t, const QuantizeOptions& options) {
  if (t.channel_scales != nullptr) sum.add(std::as_bytes(std::span(*t.channel_scales)));
  sum.add(packed_of(options.packed, t.name()));
}

// [K], or empty: what errors in the columns of the new tensor count.
std::vector<float> importance_of(const PlannedTensor& t, const Imatrix* imatrix) {
  if (imatrix == nullptr) return {};
  const std::span<const float> seen = imatrix->importance(t.name());
  std::vector<float> importance(seen.begin(), seen.end());
  if (t.channel_scales != nullptr)
    for (std::size_t k = 0; k < importance.size(); ++k)
      importance[k] /= (*t.channel_scales)[k] * (*t.channel_scales)[k];
  return importance;
}

// Rows [begin, end) of the new tensor, into `to`, up to one that cannot be stored.
Storable pack_rows(std::byte* to, const PlannedTensor& t, const QuantizeOptions& options,
                   std::int64_t begin, std::int64_t end) {
  const std::int64_t K = t.from().cols();
  const std::size_t size = row_bytes(t.to, K);
  const std::vector<float> importance = importance_of(t, options.imatrix);
  const ByteSpan ready = packed_of(options.packed, t.name());
  const float most = reach(t.copied() ? DType::f32 : t.to);
  std::vector<float> values(static_cast<std::size_t>(K));
  for (std::int64_t r = begin; r < end; ++r, to += size) {
    t.read_row(values, r);
    if (const Storable can = storable(values, most); can != Storable::yes) return can;
    if (!ready.empty())
      std::memcpy(to, ready.data() + size * static_cast<std::size_t>(r), size);
    else if (t.copied())
      std::memcpy(to, row_of(t.source, r), size);
    else if (options.search)
      pack_row(to, values, importance, t.to);
    else
      pack(to, values, t.to);
  }
  return Storable::yes;
}

// Writes one piece while the next is made. A failure comes with the next call.
class WriteBehind {
 public:
  explicit WriteBehind(Output& out) : out_(out) {}

  // Leaves in `bytes` the room of an earlier piece.
  void write(std::vector<std::byte>& bytes) {
    finish();
    std::swap(bytes, piece_);
    writing_ = std::async(std::launch::async, [this] { out_.write(as_text(piece_)); });
  }
  void finish() {
    if (writing_.valid()) writing_.get();
  }

 private:
  Output& out_;
  std::vector<std::byte> piece_;
  std::future<void> writing_;
};

TensorSums write_tensor(WriteBehind& out, const ModelFiles& files, const PlannedTensor& t,
                        const QuantizeOptions& options, ThreadPool& pool, std::uint64_t before) {
  Checksum read, written;
  const std::size_t size = row_bytes(t.to, t.from().cols());
  const std::int64_t rows = t.from().rows(), piece = rows_of_piece(t.from());
  std::vector<std::byte> packed;
  for (std::int64_t r = 0; r < rows; r += piece) {
    options.progress(before + size * static_cast<std::size_t>(r));
    const std::int64_t n = std::min(piece, rows - r);
    packed.resize(size * static_cast<std::size_t>(n));
    std::atomic<Storable> all = Storable::yes;
    pool.for_ranges(n, 1, [&](std::int64_t begin, std::int64_t end) {
      std::byte* to = packed.data() + size * static_cast<std::size_t>(begin);
      const Storable these = pack_rows(to, t, options, r + begin, r + end);
      if (these != Storable::yes) all = these;
    });
    need_storable(all, t.name(), to_string(t.to));
    if (r + n == rows) packed.resize(packed.size() + gguf_padding(t.target().bytes()).size());
    const Tensor from = rows_of(t.from(), r, n);
    read.add(bytes_of(from));
    written.add(packed);
    out.write(packed);
    files.release(from);
  }
  add_others(read, t, options);
  return {read.hex(), written.hex()};
}

// As write_tensor's, of what is there now; nothing written where the file ends before.
TensorSums sums_of(const MappedFile& file, const ModelFiles& files, const QuantizePlan& plan,
                   const QuantizeOptions& options, std::size_t i) {
  const PlannedTensor& t = plan.tensors[i];
  if (file.bytes().size() < end_of(plan, i)) return {};
  Checksum read, written;
  const std::int64_t rows = t.from().rows(), piece = rows_of_piece(t.from());
  files.fetch(t.from());
  for (std::int64_t r = 0; r < rows; r += piece) {
    const Tensor from = rows_of(t.from(), r, std::min(piece, rows - r));
    read.add(bytes_of(from));
    files.release(from);
  }
  files.release(t.from());
  add_others(read, t, options);
  written.add(file, file.bytes().subspan(plan.begins[i], stored_bytes(t)));
  return {read.hex(), written.hex()};
}

[[noreturn]] void fail_verification(std::string_view name) {
  fail(ErrorKind::write, "{} is not what was written when it is read again", escaped(name));
}

// Holds a tensor of the new file against what was written and what it was made of, piece by piece.
TensorError verify_tensor(const MappedFile& file, const Tensor& now, const ModelFiles& files,
                          const PlannedTensor& t, const std::string& written, ThreadPool& pool) {
  TensorError error;
  Checksum sum;
  const std::int64_t piece = rows_of_piece(now);
  for (std::int64_t r = 0; r < now.rows(); r += piece) {
    const Tensor rows = rows_of(now, r, std::min(piece, now.rows() - r));
    sum.add(bytes_of(rows));
    const TensorError of_piece =
        error_of_rows(rows.rows(), rows.cols(), pool,
                      [&](std::span<float> values, std::span<float> before, std::int64_t row) {
                        unpack(values, row_at(rows, row), rows.dtype);
                        t.read_row(before, r + row);
                      });
    error.mse += of_piece.mse * static_cast<double>(rows.rows());
    error.max_abs = std::max(error.max_abs, of_piece.max_abs);
    files.release(rows_of(t.from(), r, rows.rows()));
    file.release(bytes_of(rows));
  }
  sum.add({now.as<std::byte>() + now.bytes(), gguf_padding(now.bytes()).size()});
  if (sum.hex() != written || !std::isfinite(error.mse)) fail_verification(t.name());
  error.mse /= static_cast<double>(now.rows());
  return error;
}

}  // namespace

void write_quantized(Output& out, const ModelFiles& files, const QuantizePlan& plan,
                     const QuantizeOptions& options, ThreadPool& pool, SumJournal& journal,
                     std::size_t shard) {
  const PlannedShard& s = plan.shards[shard];
  const std::size_t done = journal.sums().size();
  if (done == 0) out.write(s.header);
  WriteBehind behind(out);
  for (std::size_t i = s.first + done; i < s.end; ++i) {
    const PlannedTensor& t = plan.tensors[i];
    files.fetch(t.from());
    journal.add(write_tensor(behind, files, t, options, pool, s.before + plan.begins[i]));
    files.release(t.from());
  }
  behind.finish();
  options.progress(s.before + s.bytes);
}

std::vector<TensorError> verify_quantized(const std::filesystem::path& path,
                                          const ModelFiles& files, const QuantizePlan& plan,
                                          const std::vector<TensorSums>& sums, ThreadPool& pool,
                                          const std::function<void(std::uint64_t)>& progress,
                                          std::size_t shard) {
  const PlannedShard& s = plan.shards[shard];
  const MappedFile file(path);
  const std::string name = path.string();
  const ByteSpan bytes = file.bytes();
  if (bytes.size() != s.bytes || as_text(bytes).substr(0, s.header.size()) != s.header)
    fail_verification(name);
  const GgufFile gguf = GgufFile::parse(bytes, name);
  std::vector<TensorError> errors;
  for (std::size_t i = s.first; i < s.end; ++i) {
    const Tensor& now = gguf.tensors()[i - s.first].tensor;
    const std::string& written = sums[i - s.first].written;
    files.fetch(plan.tensors[i].from());
    errors.push_back(verify_tensor(file, now, files, plan.tensors[i], written, pool));
    files.release(plan.tensors[i].from());
    progress(s.before + plan.begins[i] + now.bytes());
  }
  return errors;
}

std::filesystem::path sums_path(const std::filesystem::path& partial) {
  return partial.string() + ".sums";
}

std::optional<ResumePoint> resume_quantized(const std::filesystem::path& partial,
                                            const ModelFiles& files, const QuantizePlan& plan,
                                            const QuantizeOptions& options, std::size_t shard) {
  const PlannedShard& s = plan.shards[shard];
  ResumePoint point;
  {
    const MappedFile file(partial);
    const std::string_view text = as_text(file.bytes());
    const std::size_t n = std::min(text.size(), s.header.size());
    if (text.substr(0, n) != std::string_view(s.header).substr(0, n)) return std::nullopt;
    std::vector<std::string> names;
    for (std::size_t i = s.first; i < s.end; ++i) names.push_back(plan.tensors[i].name());
    point = resume_point(sums_path(partial), names, [&](std::size_t i) {
      options.progress(s.before + plan.begins[s.first + i]);
      return sums_of(file, files, plan, options, s.first + i);
    });
  }
  std::error_code error;
  const std::size_t kept = point.kept.size();
  std::filesystem::resize_file(partial, kept == 0 ? 0 : end_of(plan, s.first + kept - 1), error);
  if (error) fail(ErrorKind::write, "{}: {}", escaped(partial.string()), error.message());
  return point;
}

}  // namespace r1
