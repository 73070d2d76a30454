#include "lib/quant/tensor_sums.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lib/base/error.h"
#include "lib/base/write_file.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDigits = 32;  // of a sum

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

std::string line_of(std::size_t tensor, const TensorSums& sums) {
  return fmt::format("{} {} {}\n", tensor, sums.read, sums.written);
}

}  // namespace

struct Checksum::State {
  XXH3_state_t of;
};

Checksum::Checksum() : state_(std::make_unique<State>()) { XXH3_128bits_reset(&state_->of); }
Checksum::~Checksum() = default;

void Checksum::add(ByteSpan bytes) { XXH3_128bits_update(&state_->of, bytes.data(), bytes.size()); }

void Checksum::add(const MappedFile& file, ByteSpan part) {
  constexpr std::size_t kPiece = std::size_t{16} << 20;
  while (!part.empty()) {
    const ByteSpan piece = part.first(std::min(kPiece, part.size()));
    add(piece);
    file.release(piece);
    part = part.subspan(piece.size());
  }
}

std::string Checksum::hex() const {
  const XXH128_hash_t sum = XXH3_128bits_digest(&state_->of);
  return fmt::format("{:016x}{:016x}", sum.high64, sum.low64);
}

// What was kept stays noted whenever this is broken off.
SumJournal::SumJournal(const fs::path& path, std::vector<TensorSums> kept)
    : sums_(std::move(kept)) {
  std::string lines;
  for (std::size_t i = 0; i < sums_.size(); ++i) lines += line_of(i, sums_[i]);
  write_file(path, lines);
  out_ = open_growing(path, false);
}

void SumJournal::add(TensorSums sums) {
  if (out_ != nullptr) out_->write(line_of(sums_.size(), sums));
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
