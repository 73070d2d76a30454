// Runs one fuzz target over the files of a folder, and over 100 seeded mutants of each.
//   NAME_fuzz FOLDER
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "lib/base/random.h"
#include "tests/fuzz/fuzz.h"

namespace {

void run(const std::string& bytes) {
  // A copy of exactly this size, so that a sanitizer sees a read one byte past its end.
  const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

std::string mutant(std::string bytes, std::uint64_t seed) {
  if (bytes.empty()) return bytes;
  for (std::uint64_t change = 0; change <= seed % 4; ++change) {
    const std::size_t at = r1::random_bits(seed, change, 0) % bytes.size();
    bytes[at] = static_cast<char>(r1::random_bits(seed, change, 1));
  }
  if (seed % 5 == 0) bytes.resize(r1::random_bits(seed, 9, 0) % bytes.size());
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1]))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& file : files) {
    const std::string bytes = r1::read_file(file);
    run(bytes);
    for (std::uint64_t seed = 0; seed < 100; ++seed) run(mutant(bytes, seed));
  }
  std::printf("%zu files\n", files.size());
  return files.empty() ? 1 : 0;
}
