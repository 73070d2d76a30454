#include "lib/backend/open_backend.h"

#include "kernels/cpu/cpu_backend.h"
#include "kernels/ref/ref_backend.h"
#include "lib/base/error.h"

namespace r1 {

std::unique_ptr<Backend> open_backend(std::string_view name, const BackendOptions& options) {
  if (name == "ref") return std::make_unique<RefBackend>();
  if (name == "cpu" || name == "auto")
    return std::make_unique<CpuBackend>(options.threads, options.cpu_isa);
  if (name == "cuda") fail(ErrorKind::device, "this build has no CUDA backend");
  fail(ErrorKind::usage, "no backend is called '{}' (ref, cpu, cuda, auto)", escaped(name));
}

}  // namespace r1
