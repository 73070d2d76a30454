#include "kernels/open_cuda.h"

#include <filesystem>
#include <system_error>

#include <dlfcn.h>

#include "kernels/cuda/module.h"
#include "lib/backend/open_backend.h"
#include "lib/base/error.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

// Where the module lies; empty when this build has none.
fs::path module_path() {
  std::error_code ignored;
  const fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const fs::path& place : {folder, folder.parent_path() / "lib"})
    if (fs::exists(place / cuda::kModuleFile, ignored)) return place / cuda::kModuleFile;
  return {};
}

// It stays open: objects of its classes may live as long as the process.
void* open_library(const char* name) { return dlopen(name, RTLD_NOW | RTLD_LOCAL); }

}  // namespace

std::string cuda_cards() { return module_path().empty() ? "" : R1_CUDA_CARDS; }

std::unique_ptr<Backend> open_cuda(const BackendOptions& options) {
  const fs::path path = module_path();
  if (path.empty()) fail(ErrorKind::device, "this build has no CUDA backend");
  // The module would come up without it too, and say less clearly what is missing.
  if (open_library("libcuda.so.1") == nullptr)
    fail(ErrorKind::device, "there is no NVIDIA driver on this machine (no libcuda.so.1)");
  void* module = open_library(path.c_str());
  if (module == nullptr) fail(ErrorKind::device, "{}", escaped(dlerror()));
  const auto open = reinterpret_cast<cuda::OpenModule>(dlsym(module, cuda::kModuleEntry));
  std::unique_ptr<Backend> backend(open == nullptr ? nullptr : open(R1_CONTRACT, options));
  if (backend == nullptr)
    fail(ErrorKind::device, "{} is of another build of r1", escaped(path.native()));
  return backend;
}

}  // namespace r1
