#include "tools/common/results.h"

#include <filesystem>

#include "lib/base/error.h"
#include "lib/base/paths.h"

namespace r1 {

namespace fs = std::filesystem;

std::unique_ptr<Output> open_results(const std::string& path, bool records, bool force) {
  if (path == "-") return open_stdout();
  if (is_device(path)) return open_device(path);
  if (!records) return open_file(path);
  std::error_code ignored;
  if (force) fs::remove(path + ".partial", ignored);
  return open_journal(path);
}

void print_whole(const std::string& text) {
  try {
    const auto out = open_stdout();
    out->write(text);
    out->close();
  } catch (const Error& e) {
    if (!is_broken_pipe(e)) throw;
  }
}

std::string in_the_way(const std::string& path) {
  if (path == "-" || is_device(path)) return {};
  for (const std::string& name : {path, path + ".partial"})
    if (is_taken(name)) return name;
  return {};
}

void keep_inputs(const std::vector<std::string>& outputs, const std::vector<std::string>& inputs) {
  std::error_code none;
  const auto refuse_same = [&none](const std::string& out, const fs::path& in) {
    if (fs::equivalent(out, in, none))
      fail(ErrorKind::usage, "{} is read, and would be replaced by a result", escaped(in.string()));
  };
  for (const std::string& out : outputs) {
    if (out.empty() || out == "-" || is_device(out) || !fs::exists(out, none)) continue;
    for (const std::string& in : inputs) {
      if (in.empty() || in == "-") continue;
      refuse_same(out, in);
      if (!fs::is_directory(in, none)) continue;
      for (const fs::directory_entry& entry : fs::directory_iterator(in, none))
        refuse_same(out, entry.path());
    }
  }
}

void need_space(const std::string& output, std::uint64_t bytes, std::uint64_t there) {
  std::error_code unknown;
  const fs::path folder = without_slash(fs::absolute(output)).parent_path();
  const auto room = fs::space(folder, unknown);
  if (!unknown && room.available + there < bytes)
    fail(ErrorKind::write, "{}: {} bytes are wanted, and {} are free", escaped(folder.string()),
         bytes, room.available);
}

}  // namespace r1
