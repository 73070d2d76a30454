// A libcuda.so.1 that finds no card, for tests/cuda_module_test.sh: whatever is asked of it, it
// says CUDA_ERROR_NO_DEVICE, but for its version.
#include <cstdint>
#include <string_view>

namespace {

constexpr int kNoDevice = 100;
int no_device() { return kNoDevice; }

}  // namespace

extern "C" {

int cuDriverGetVersion(int* version) {
  *version = 13000;
  return 0;
}

int cuInit(unsigned) { return kNoDevice; }

int cuGetProcAddress_v2(const char* name, void** function, int, std::uint64_t, int* found) {
  const std::string_view asked = name;
  if (asked == "cuDriverGetVersion")
    *function = reinterpret_cast<void*>(cuDriverGetVersion);
  else if (asked.starts_with("cuGetProcAddress"))
    *function = reinterpret_cast<void*>(cuGetProcAddress_v2);
  else
    *function = reinterpret_cast<void*>(no_device);
  if (found != nullptr) *found = 0;
  return 0;
}

}  // extern "C"
