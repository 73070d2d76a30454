#include "lib/quant/tensor_sums.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "lib/base/error.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kRun = std::size_t{64} << 10;
constexpr std::size_t kDigits = 64;  // of a sum

// The lines from the first on, up to one that is none, such as one that was cut.
std::vector<TensorSums> read_sums(const fs::path& path) {
  std::error_code none;
  if (!fs::exists(path, none)) return {};
  std::istringstream words(read_file(path));
  std::vector<TensorSums> all;
  TensorSums sums;
  for (std::size_t tensor = 0; words >> tensor >> sums.read >> sums.written;) {
    if (tensor != all.size() || sums.written.size() != kDigits) break;
    all.push_back(sums);
  }
  return all;
}

}  // namespace

void PooledSum::add(ByteSpan bytes) {
  if (in_run_ > 0) {
    const ByteSpan first = bytes.first(std::min(kRun - in_run_, bytes.size()));
    run_.add(first);
    in_run_ += first.size();
    bytes = bytes.subspan(first.size());
    if (in_run_ < kRun) return;
    digests_.add(as_bytes(run_.hex()));
    run_ = Sha256();
  }
  std::vector<std::string> digests(bytes.size() / kRun);
  pool_.for_ranges(std::ssize(digests), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); std::cmp_less(i, end); ++i)
      digests[i] = sha256_hex(bytes.subspan(i * kRun, kRun));
  });
  for (const std::string& digest : digests) digests_.add(as_bytes(digest));
  bytes = bytes.subspan(digests.size() * kRun);
  run_.add(bytes);
  in_run_ = bytes.size();
}

void PooledSum::add(const MappedFile& file, ByteSpan part) {
  constexpr std::size_t kPiece = std::size_t{16} << 20;
  while (!part.empty()) {
    const ByteSpan piece = part.first(std::min(kPiece, part.size()));
    add(piece);
    file.release(piece);
    part = part.subspan(piece.size());
  }
}

std::string PooledSum::hex() const {
  Sha256 all = digests_;
  if (in_run_ > 0) all.add(as_bytes(run_.hex()));
  return all.hex();
}

SumJournal::SumJournal(const fs::path& path, std::vector<TensorSums> kept)
    : out_(open_growing(path)) {
  for (TensorSums& sums : kept) add(std::move(sums));
}

void SumJournal::add(TensorSums sums) {
  if (out_ != nullptr)
    out_->write(fmt::format("{} {} {}\n", sums_.size(), sums.read, sums.written));
  sums_.push_back(std::move(sums));
}

ResumePoint resume_point(const fs::path& path, const std::vector<std::string>& names,
                         const std::function<TensorSums(std::size_t)>& now) {
  ResumePoint point;
  std::vector<TensorSums> noted = read_sums(path);
  for (std::size_t i = 0; i < std::min(noted.size(), names.size()); ++i) {
    const TensorSums found = now(i);
    const char* wrong = found.written.empty()               ? "is not whole"
                        : found.read != noted[i].read       ? "was made of other weights"
                        : found.written != noted[i].written ? "is damaged"
                                                            : nullptr;
    if (wrong != nullptr) {
      point.why_not = fmt::format("{} {}", escaped(names[i]), wrong);
      break;
    }
    point.kept.push_back(std::move(noted[i]));
  }
  return point;
}

}  // namespace r1
