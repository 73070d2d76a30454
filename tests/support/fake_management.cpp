// A libnvidia-ml.so.1 that knows one driver and one card, the shim's: for the test
// Backends.ACardNamesItsDriverAndItsLink of tests/kernels.
#include <cstring>
#include <string_view>

namespace {
int card = 0;
constexpr int kDone = 0, kNotFound = 6;
}  // namespace

extern "C" {

int nvmlInit_v2() { return kDone; }
int nvmlShutdown() { return kDone; }

int nvmlSystemGetDriverVersion(char* text, unsigned length) {
  std::strncpy(text, "999.01", length);
  return kDone;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char* id, void** handle) {
  if (std::string_view(id) != "0000:00:00.0") return kNotFound;
  *handle = &card;
  return kDone;
}

int nvmlDeviceGetMaxPcieLinkGeneration(const void* handle, unsigned* generation) {
  *generation = 5;
  return handle == &card ? kDone : kNotFound;
}

int nvmlDeviceGetMaxPcieLinkWidth(const void* handle, unsigned* width) {
  *width = 16;
  return handle == &card ? kDone : kNotFound;
}

}  // extern "C"
