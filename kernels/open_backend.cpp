#include "lib/backend/open_backend.h"

#include "kernels/ref/ref_backend.h"
#include "lib/base/error.h"

namespace r1 {

std::unique_ptr<Backend> open_backend(std::string_view name, const BackendOptions&) {
  if (name == "ref") return std::make_unique<RefBackend>();
  if (name == "cpu" || name == "auto") fail(ErrorKind::device, "the cpu kernels are not here yet");
  if (name == "cuda") fail(ErrorKind::device, "this build has no CUDA backend");
  fail(ErrorKind::usage, "no backend is called '{}' (ref, cpu, cuda, auto)", escaped(name));
}

}  // namespace r1
