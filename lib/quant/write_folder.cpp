#include "lib/quant/write_folder.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "lib/base/error.h"
#include "lib/base/output.h"
#include "lib/base/sha256.h"
#include "lib/quant/folder_strip.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kPieceBytes = std::int64_t{32} << 20;  // of f32
constexpr std::size_t kMostCopied = std::size_t{1} << 30;     // of a small file

FolderRounding rounding_of(const FolderWeight& w, const WriteFolderOptions& options) {
  FolderRounding rounding{.search = options.search};
  if (options.imatrix != nullptr) rounding.importance = options.imatrix->importance(w.gguf_name);
  if (options.packed == nullptr) return rounding;
  const auto found = options.packed->find(w.gguf_name);
  if (found != options.packed->end()) rounding.packed = found->second.data();
  return rounding;
}

class ShardWriter {
 public:
  ShardWriter(const fs::path& path, const FolderPlan& plan, const WriteFolderOptions& options,
              ThreadPool& pool)
      : path_(path), plan_(plan), options_(options), pool_(pool) {}

  std::vector<WrittenPiece> write(const FolderShard& shard, const ModelFiles& files,
                                  std::uint64_t& done) {
    const std::size_t first = begin(shard);
    out_ = open_journal(path_);
    if (first == shard.first) out_->write(shard.header);
    done += shard.header.size() + pieces_[0].bytes;
    for (std::size_t i = first; i < shard.end; ++i) {
      const FolderWeight& w = plan_.weights[i];
      files.fetch(w.source.tensor);
      write_weight(w, done);
      files.release(w.source.tensor);
    }
    out_->close();
    return std::move(pieces_);
  }

 private:
  // The weight to go on with, behind those that are there, where the file is cut. A file under its
  // own name becomes partial again: it is looked through as any.
  std::size_t begin(const FolderShard& shard) {
    const fs::path partial = path_.string() + ".partial";
    std::error_code none, error;
    fs::rename(path_, partial, none);
    const std::uint64_t there = fs::exists(partial, none) ? fs::file_size(partial, error) : 0;
    std::uint64_t end = shard.header.size();
    std::size_t next = shard.first;
    for (; next < shard.end && end + plan_.weights[next].bytes() <= there; ++next)
      end += plan_.weights[next].bytes();
    if (there > 0) fs::resize_file(partial, next == shard.first ? 0 : end, error);
    if (error) fail(ErrorKind::write, "{}: {}", escaped(partial.string()), error.message());
    pieces_.push_back({end - shard.header.size(), {}});
    return next;
  }

  // Levels as they are made, then all scales, then the shape.
  void write_weight(const FolderWeight& w, std::uint64_t& done) {
    const Tensor& from = w.source.tensor;
    const FolderRounding rounding = rounding_of(w, options_);
    const std::int64_t rows = strip_rows(w, plan_.type);
    const std::int64_t strips = (from.rows() + rows - 1) / rows;
    const std::int64_t each = std::max<std::int64_t>(1, kPieceBytes / (4 * rows * from.cols()));
    std::vector<std::byte> scales;
    for (std::int64_t s = 0; s < strips; s += each) {
      const std::int64_t n = std::min(each, strips - s);
      std::vector<FolderStrip> made(static_cast<std::size_t>(n));
      std::atomic<bool> whole = true;
      pool_.for_ranges(n, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          FolderStrip& strip = made[static_cast<std::size_t>(i)];
          strip = make_strip(w, plan_.type, (s + i) * rows, rounding);
          if (strip.levels.empty()) whole = false;
        }
      });
      if (!whole)
        fail(ErrorKind::model, "{} holds a number that is not finite", escaped(w.source.name));
      std::vector<std::byte> levels;
      for (const FolderStrip& strip : made) {
        levels.insert(levels.end(), strip.levels.begin(), strip.levels.end());
        scales.insert(scales.end(), strip.scales.begin(), strip.scales.end());
      }
      put(levels, done);
    }
    if (!scales.empty()) put(scales, done);
    if (w.stored.size() < 3) return;
    const std::int64_t shape[2] = {from.rows(), from.cols()};
    put(std::as_bytes(std::span(shape)), done);
  }

  void put(ByteSpan bytes, std::uint64_t& done) {
    out_->write(as_text(bytes));
    pieces_.push_back({bytes.size(), sha256_hex(bytes)});
    done += bytes.size();
    options_.progress(done);
  }

  fs::path path_;
  std::unique_ptr<Output> out_;
  const FolderPlan& plan_;
  const WriteFolderOptions& options_;
  ThreadPool& pool_;
  std::vector<WrittenPiece> pieces_;
};

void write_text(const fs::path& path, const std::string& text) {
  const auto out = open_file(path);
  out->write(text);
  out->close();
}

[[noreturn]] void fail_verification(const fs::path& path) {
  fail(ErrorKind::write, "{} is not what was written when it is read again",
       escaped(path.string()));
}

void check_shard(const fs::path& path, const FolderShard& shard,
                 const std::vector<WrittenPiece>& pieces) {
  const MappedFile file(path);
  ByteSpan rest = file.bytes();
  if (rest.size() != shard.bytes || as_text(rest.first(shard.header.size())) != shard.header)
    fail_verification(path);
  rest = rest.subspan(shard.header.size());
  for (const WrittenPiece& piece : pieces) {
    const bool known = !piece.sha256.empty();
    if (known && sha256_hex(rest.first(piece.bytes)) != piece.sha256) fail_verification(path);
    file.release(rest.first(piece.bytes));
    rest = rest.subspan(piece.bytes);
  }
}

void read_row(std::span<float> values, const Tensor& t, std::int64_t row) {
  const std::size_t bytes = t.bytes() / static_cast<std::size_t>(t.rows());
  unpack(values, t.as<std::byte>() + static_cast<std::size_t>(row) * bytes, t.dtype);
}

TensorError error_of(const Tensor& now, const Tensor& before, ThreadPool& pool) {
  return error_of_rows(before.rows(), before.cols(), pool,
                       [&](std::span<float> a, std::span<float> b, std::int64_t row) {
                         read_row(a, now, row);
                         read_row(b, before, row);
                       });
}

}  // namespace

WrittenShards write_folder(const fs::path& folder, const ModelFiles& files, const FolderPlan& plan,
                           const WriteFolderOptions& options, ThreadPool& pool) {
  write_text(folder / "config.json", plan.config);  // first: it says whose folder this is
  WrittenShards written;
  std::uint64_t done = 0;
  for (const FolderShard& shard : plan.shards)
    written.push_back(
        ShardWriter(folder / shard.file, plan, options, pool).write(shard, files, done));
  for (const fs::path& path : plan.copied)
    write_text(folder / path.filename(), read_file(path, kMostCopied));
  if (!plan.index.empty()) write_text(folder / "model.safetensors.index.json", plan.index);
  return written;
}

std::vector<TensorError> verify_folder(const fs::path& folder, const ModelFiles& files,
                                       const FolderPlan& plan, const WrittenShards& written,
                                       ThreadPool& pool,
                                       const std::function<void(std::uint64_t)>& progress) {
  for (std::size_t s = 0; s < plan.shards.size(); ++s)
    check_shard(folder / plan.shards[s].file, plan.shards[s], written[s]);
  for (const fs::path& path : plan.copied)
    if (read_file(folder / path.filename(), kMostCopied) != read_file(path, kMostCopied))
      fail_verification(folder / path.filename());
  const ModelFiles now = ModelFiles::open(folder);
  std::vector<TensorError> errors;
  std::uint64_t done = 0;
  for (const FolderWeight& w : plan.weights) {
    const Tensor* stored = now.find(w.source.name);
    if (stored == nullptr || stored->shape != w.source.tensor.shape) fail_verification(folder);
    now.fetch(*stored);
    files.fetch(w.source.tensor);
    errors.push_back(error_of(*stored, w.source.tensor, pool));
    if (!std::isfinite(errors.back().mse)) fail_verification(folder);
    now.release(*stored);
    files.release(w.source.tensor);
    progress(done += w.bytes());
  }
  return errors;
}

}  // namespace r1
