#include "lib/backend/open_backend.h"

#include "kernels/cpu/cpu_backend.h"
#include "kernels/open_cuda.h"
#include "kernels/ref/ref_backend.h"
#include "lib/base/error.h"

namespace r1 {
namespace {

std::unique_ptr<Backend> open_cpu(const BackendOptions& options) {
  return std::make_unique<CpuBackend>(options.threads, options.cpu_isa);
}

}  // namespace

std::unique_ptr<Backend> open_backend(std::string_view name, const BackendOptions& options) {
  if (name == "ref") return std::make_unique<RefBackend>();
  if (name == "cpu") return open_cpu(options);
  if (name == "cuda") return open_cuda(options);
  if (name == "auto") {
    try {
      return open_cuda(options);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::device) throw;
      return open_cpu(options);
    }
  }
  fail(ErrorKind::usage, "no backend is called '{}' (ref, cpu, cuda, auto)", escaped(name));
}

}  // namespace r1
