// What the card says of itself: CUDA's runtime, and for the driver's own version and the link to
// the host NVIDIA's management library, which comes with the driver.
#include <dlfcn.h>
#include <fmt/format.h>

#include "kernels/cuda/check.h"
#include "kernels/cuda/cuda_backend.h"
#include "lib/base/error.h"

namespace r1 {

using cuda::check;

namespace {

constexpr const char* kManagement = "libnvidia-ml.so.1";
constexpr int kTextBytes = 96;  // more than any version or bus id takes

// 13010 -> "13.1"
std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

// The library of that name, opened for a question or two. What it does not know is left empty.
class Management {
 public:
  Management() : library_(dlopen(kManagement, RTLD_NOW | RTLD_LOCAL)) {
    const auto init = function<int()>("nvmlInit_v2");
    ready_ = init != nullptr && init() == 0;
  }
  ~Management() {
    if (const auto end = function<int()>("nvmlShutdown"); ready_ && end != nullptr) end();
    if (library_ != nullptr) dlclose(library_);
  }
  Management(const Management&) = delete;
  Management& operator=(const Management&) = delete;

  std::string driver() const {
    char text[kTextBytes] = {};
    const auto ask = function<int(char*, unsigned)>("nvmlSystemGetDriverVersion");
    return ready_ && ask != nullptr && ask(text, kTextBytes) == 0 ? text : "";
  }

  // The most that card and machine allow: an idle link may have gone to sleep.
  std::string link(const char* bus_id) const {
    void* card = nullptr;
    unsigned generation = 0, width = 0;
    const auto find = function<int(const char*, void**)>("nvmlDeviceGetHandleByPciBusId_v2");
    const auto ask = [&](const char* name, unsigned* value) {
      const auto get = function<int(void*, unsigned*)>(name);
      return get != nullptr && get(card, value) == 0;
    };
    if (!ready_ || find == nullptr || find(bus_id, &card) != 0 ||
        !ask("nvmlDeviceGetMaxPcieLinkGeneration", &generation) ||
        !ask("nvmlDeviceGetMaxPcieLinkWidth", &width))
      return "";
    return fmt::format("PCIe {} x{}", generation, width);
  }

 private:
  template <typename Function>
  Function* function(const char* name) const {
    if (library_ == nullptr) return nullptr;
    return reinterpret_cast<Function*>(dlsym(library_, name));
  }

  void* library_;
  bool ready_ = false;
};

DeviceInfo ask(int device) {
  cudaDeviceProp card{};
  int runtime = 0, driver = 0;
  char bus_id[kTextBytes] = {};
  check(cudaGetDeviceProperties(&card, device), "read what the card is");
  check(cudaRuntimeGetVersion(&runtime), "ask for the runtime's version");
  check(cudaDriverGetVersion(&driver), "ask for the driver's version");
  check(cudaDeviceGetPCIBusId(bus_id, kTextBytes, device), "ask where the card is");
  const Management management;
  return {.name = card.name,
          .architecture = fmt::format("sm_{}{}", card.major, card.minor),
          .driver = management.driver(),
          .cuda = version_text(runtime),
          .driver_cuda = version_text(driver),
          .link = management.link(bus_id),
          .processors = card.multiProcessorCount,
          .cache_bytes = static_cast<std::uint64_t>(card.l2CacheSize)};
}

}  // namespace

// Of the first device, which stays what it is: asking takes tens of milliseconds.
DeviceInfo CudaBackend::info() const {
  static const DeviceInfo known = ask(kDevice);
  return known;
}

}  // namespace r1
