#include "lib/quant/write_folder.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "lib/base/error.h"
#include "lib/base/output.h"
#include "lib/base/write_file.h"
#include "lib/io/small_files.h"
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
  const ByteSpan packed = packed_of(options.packed, w.gguf_name);
  if (!packed.empty()) rounding.packed = packed.data();
  return rounding;
}

fs::path partial_of(const fs::path& shard) { return shard.string() + ".partial"; }

// Where weight i begins in the file of its shard; that of shard.end: where the file ends.
std::uint64_t begin_of(const FolderPlan& plan, const FolderShard& shard, std::size_t i) {
  std::uint64_t begin = shard.header.size();
  for (std::size_t w = shard.first; w < i; ++w) begin += plan.weights[w].bytes();
  return begin;
}

bool has_header(const MappedFile& file, const FolderShard& shard) {
  return as_text(file.bytes()).starts_with(shard.header);
}

ByteSpan bytes_of(const Tensor& t) { return {t.as<std::byte>(), t.bytes()}; }

// What a weight is made of: its numbers, and how they were packed already.
std::string read_sum(const FolderWeight& w, const WriteFolderOptions& options) {
  Checksum read;
  read.add(bytes_of(w.source.tensor));
  read.add(packed_of(options.packed, w.gguf_name));
  return read.hex();
}

// Of weight i as it is there now; nothing written where the file is not whole.
TensorSums sums_of(const fs::path& folder, const ModelFiles& files, const FolderPlan& plan,
                   const WriteFolderOptions& options, std::size_t i) {
  const FolderWeight& w = plan.weights[i];
  const FolderShard& shard = *std::find_if(plan.shards.begin(), plan.shards.end(),
                                           [i](const FolderShard& s) { return i < s.end; });
  const fs::path partial = partial_of(folder / shard.file);
  std::error_code none;
  if (!fs::exists(partial, none)) return {};
  const MappedFile file(partial);
  const std::uint64_t begin = begin_of(plan, shard, i);
  if (file.bytes().size() < begin + w.bytes() || !has_header(file, shard)) return {};
  files.fetch(w.source.tensor);
  const std::string read = read_sum(w, options);
  files.release(w.source.tensor);
  Checksum written;
  written.add(file, file.bytes().subspan(begin, w.bytes()));
  return {read, written.hex()};
}

class ShardWriter {
 public:
  ShardWriter(const fs::path& path, const FolderPlan& plan, const WriteFolderOptions& options,
              ThreadPool& pool)
      : path_(path), plan_(plan), options_(options), pool_(pool) {}

  // Behind the weights whose sums are in the journal.
  void write(const FolderShard& shard, const ModelFiles& files, SumJournal& journal,
             std::uint64_t& done) {
    const std::size_t first = std::clamp(journal.sums().size(), shard.first, shard.end);
    const std::uint64_t there = first == shard.first ? 0 : begin_of(plan_, shard, first);
    out_ = open_journal(path_);
    std::error_code error;
    fs::resize_file(partial_of(path_), there, error);
    if (error) fail(ErrorKind::write, "{}: {}", escaped(path_.string()), error.message());
    if (there == 0) out_->write(shard.header);
    done += begin_of(plan_, shard, first);
    for (std::size_t i = first; i < shard.end; ++i) {
      const FolderWeight& w = plan_.weights[i];
      files.fetch(w.source.tensor);
      journal.add(write_weight(w, done));
      files.release(w.source.tensor);
    }
    out_->close();
  }

 private:
  // Levels as they are made, then all scales, then the shape.
  TensorSums write_weight(const FolderWeight& w, std::uint64_t& done) {
    const Tensor& from = w.source.tensor;
    Checksum read, written;
    const auto put = [&](ByteSpan bytes) {
      out_->write(as_text(bytes));
      written.add(bytes);
      done += bytes.size();
    };
    const FolderRounding rounding = rounding_of(w, options_);
    const std::int64_t rows = strip_rows(w, plan_.type);
    const std::int64_t strips = (from.rows() + rows - 1) / rows;
    const std::int64_t each = std::max<std::int64_t>(1, kPieceBytes / (4 * rows * from.cols()));
    std::vector<std::byte> scales;
    for (std::int64_t s = 0; s < strips; s += each) {
      options_.progress(done);
      const std::int64_t n = std::min(each, strips - s);
      std::vector<FolderStrip> made(static_cast<std::size_t>(n));
      std::atomic<Storable> all = Storable::yes;
      pool_.for_ranges(n, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          FolderStrip& strip = made[static_cast<std::size_t>(i)];
          strip = make_strip(w, plan_.type, (s + i) * rows, rounding);
          if (strip.storable != Storable::yes) all = strip.storable;
        }
      });
      need_storable(all, w.source.name,
                    w.quantized ? "w4a16" : to_string(w.stored[0].tensor.dtype));
      std::vector<std::byte> levels;
      for (const FolderStrip& strip : made) {
        levels.insert(levels.end(), strip.levels.begin(), strip.levels.end());
        scales.insert(scales.end(), strip.scales.begin(), strip.scales.end());
      }
      put(levels);
    }
    if (!scales.empty()) put(scales);
    const std::int64_t shape[2] = {from.rows(), from.cols()};
    if (w.stored.size() == 3) put(std::as_bytes(std::span(shape)));
    return {read_sum(w, options_), written.hex()};
  }

  fs::path path_;
  std::unique_ptr<Output> out_;
  const FolderPlan& plan_;
  const WriteFolderOptions& options_;
  ThreadPool& pool_;
};

[[noreturn]] void fail_verification(const fs::path& path) {
  fail(ErrorKind::write, "{} is not what was written when it is read again",
       escaped(path.string()));
}

void check_shard(const fs::path& path, const FolderPlan& plan, const FolderShard& shard,
                 const std::vector<TensorSums>& sums) {
  const MappedFile file(path);
  if (file.bytes().size() != shard.bytes || !has_header(file, shard)) fail_verification(path);
  for (std::size_t i = shard.first; i < shard.end; ++i) {
    Checksum written;
    written.add(file, file.bytes().subspan(begin_of(plan, shard, i), plan.weights[i].bytes()));
    if (written.hex() != sums[i].written) fail_verification(path);
  }
}

TensorError error_of(const Tensor& now, const Tensor& before, ThreadPool& pool) {
  return error_of_rows(before.rows(), before.cols(), pool,
                       [&](std::span<float> a, std::span<float> b, std::int64_t row) {
                         unpack_row(a, now, row);
                         unpack_row(b, before, row);
                       });
}

}  // namespace

fs::path folder_sums_path(const fs::path& folder) { return folder / "r1.sums"; }

ResumePoint resume_folder(const fs::path& folder, const ModelFiles& files, const FolderPlan& plan,
                          const WriteFolderOptions& options) {
  std::error_code none;
  for (const FolderShard& shard : plan.shards)  // one that was whole is looked through as any
    fs::rename(folder / shard.file, partial_of(folder / shard.file), none);
  std::vector<std::string> names;
  for (const FolderWeight& w : plan.weights) names.push_back(w.source.name);
  std::uint64_t done = 0;
  return resume_point(folder_sums_path(folder), names, [&](std::size_t i) {
    options.progress(done);
    done += plan.weights[i].bytes();
    return sums_of(folder, files, plan, options, i);
  });
}

void write_folder(const fs::path& folder, const ModelFiles& files, const FolderPlan& plan,
                  const WriteFolderOptions& options, ThreadPool& pool, SumJournal& journal) {
  write_file(folder / "config.json", plan.config);  // first: it says whose folder this is
  std::uint64_t done = 0;
  for (const FolderShard& shard : plan.shards)
    ShardWriter(folder / shard.file, plan, options, pool).write(shard, files, journal, done);
  copy_small_files(plan.copied, folder);
  options.progress(done);
  if (!plan.index.empty()) write_file(folder / kWeightsIndex, plan.index);
}

std::vector<TensorError> verify_folder(const fs::path& folder, const ModelFiles& files,
                                       const FolderPlan& plan, const std::vector<TensorSums>& sums,
                                       ThreadPool& pool,
                                       const std::function<void(std::uint64_t)>& progress) {
  for (const FolderShard& shard : plan.shards) check_shard(folder / shard.file, plan, shard, sums);
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
