#include "lib/base/error.h"

#include "lib/base/utf8.h"

namespace r1 {

std::string_view code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return "E_USAGE";
    case ErrorKind::not_found:
      return "E_NOT_FOUND";
    case ErrorKind::perm:
      return "E_PERM";
    case ErrorKind::format:
      return "E_FORMAT";
    case ErrorKind::truncated:
      return "E_TRUNCATED";
    case ErrorKind::decode:
      return "E_DECODE";
    case ErrorKind::limit:
      return "E_LIMIT";
    case ErrorKind::too_long:
      return "E_TOO_LONG";
    case ErrorKind::oom_cpu:
      return "E_OOM_CPU";
    case ErrorKind::oom_gpu:
      return "E_OOM_GPU";
    case ErrorKind::device:
      return "E_DEVICE";
    case ErrorKind::model:
      return "E_MODEL";
    case ErrorKind::write:
      return "E_WRITE";
    case ErrorKind::timeout:
      return "E_TIMEOUT";
    case ErrorKind::interrupted:
      return "E_INTERRUPTED";
    case ErrorKind::internal:
      break;
  }
  return "E_INTERNAL";
}

bool retryable(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::oom_cpu:
    case ErrorKind::oom_gpu:
    case ErrorKind::device:
    case ErrorKind::write:
    case ErrorKind::timeout:
    case ErrorKind::interrupted:
      return true;
    default:
      return false;
  }
}

int exit_status(ErrorKind kind) {
  if (kind == ErrorKind::usage) return 2;
  return kind == ErrorKind::write ? 4 : 3;
}

std::string escaped(std::string_view name) {
  constexpr std::size_t kMost = 200;
  std::string out;
  while (!name.empty()) {
    if (out.size() >= kMost) return out + "…";
    const Utf8Step step = next_utf8(name);
    const char32_t c = step.code_point;
    if (!step.valid || c < 0x20 || c == 0x7f) {
      const auto byte = static_cast<unsigned char>(name.front());
      if (byte == '\n')
        out += "\\n";
      else if (byte == '\t')
        out += "\\t";
      else
        out += fmt::format("\\x{:02x}", byte);
    } else if (drives_terminal(c)) {
      out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c));
    } else if (c == '\\') {
      out += "\\\\";
    } else {
      out += name.substr(0, step.bytes);
    }
    name.remove_prefix(step.bytes);
  }
  return out;
}

}  // namespace r1
