// What a machine without a model has to show: how fast it reads and copies memory, how fast it
// multiplies, and how fast its disk is; and what lies between a card and its host.
#include "tools/bench/machine_tests.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/random.h"
#include "tools/bench/card_runs.h"
#include "tools/bench/machine.h"

namespace r1 {
namespace {

constexpr std::size_t kDisk = 256 << 20;  // bytes
constexpr std::size_t kTransfer = 4 << 20;

Runnable begin(const std::string& id, const char* kind, Backend& backend) {
  Runnable r;
  r.record.id = id;
  r.record.test.kind = kind;
  r.record.test.device = backend.describe();
  return r;
}

// A run over `bytes` of memory; its own rate is the limit, so that it is not held to one.
MachineTest memory_test(Backend& backend, Probes& probes, const std::string& id, int threads,
                        bool copies) {
  return {id, [&backend, &probes, id, threads, copies] {
            Runnable r = begin(id, "memory", backend);
            r.run = [&probes, threads, copies] { probes.pass(beyond_caches(), threads, copies); };
            const double moved = probes.pass(beyond_caches(), threads, copies);
            r.finish = [&probes, moved](BenchRecord& done) {
              done.gb_per_s = moved / done.median_ns();
              probes.release();
            };
            return r;
          }};
}

MachineTest latency_test(Backend& backend, Probes& probes) {
  return {"memory:latency", [&backend, &probes] {
            Runnable r = begin("memory:latency", "memory", backend);
            probes.make_ring(beyond_caches());
            r.timed = [&probes] { return probes.follow(); };
            r.finish = [&probes](BenchRecord&) { probes.release(); };
            return r;
          }};
}

MachineTest product_test(Backend& backend, DType type) {
  const std::string id = fmt::format("product:{}", to_string(type));
  return {id, [&backend, id, type] {
            constexpr std::int64_t kRounds = 2000;
            Runnable r = begin(id, "product", backend);
            r.record.test.dtype = to_string(type);
            r.run = [&backend, type] { backend.multiply_in_registers(type, kRounds); };
            const double operations = backend.multiply_in_registers(type, kRounds);
            if (!(operations > 0)) throw CannotMeasure("this device does not say");
            r.finish = [operations](BenchRecord& done) {
              done.tflop_per_s = operations / done.median_ns() / 1e3;
            };
            return r;
          }};
}

// A file without a name in the folder at hand: nothing is left whatever happens.
class ScratchFile {
 public:
  ScratchFile() {
    descriptor_ = ::open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor_ < 0) {
      char name[] = "r1-bench-XXXXXX";
      descriptor_ = ::mkstemp(name);
      if (descriptor_ >= 0) ::unlink(name);
    }
    if (descriptor_ < 0) {
      const bool possible = errno != EACCES && errno != EPERM && errno != EROFS;
      const std::string why = fmt::format("a file in this folder: {}", std::strerror(errno));
      possible ? fail(ErrorKind::write, "{}", why) : throw CannotMeasure(why);
    }
    for (std::size_t i = 0; i < kTransfer; i += 8) {
      const std::uint64_t bits = random_bits(0, 0, i);
      std::memcpy(block_.data() + i, &bits, 8);
    }
  }
  ~ScratchFile() { ::close(descriptor_); }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  void write() {  // until it is on the disk
    in_parts(ErrorKind::write, [this](std::byte* from, std::size_t bytes, off_t at) {
      return ::pwrite(descriptor_, from, bytes, at);
    });
    if (::fsync(descriptor_) != 0) refuse(ErrorKind::write, std::strerror(errno));
  }
  void read() {  // from the disk, not from memory, as far as the system obeys
    ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED);
    in_parts(ErrorKind::device, [this](std::byte* into, std::size_t bytes, off_t at) {
      return ::pread(descriptor_, into, bytes, at);
    });
  }

 private:
  // `move` may move less than is asked for.
  template <typename Move>
  void in_parts(ErrorKind kind, const Move& move) {
    for (std::size_t at = 0; at < kDisk;) {
      const std::size_t begin = at % kTransfer;
      const ssize_t n = move(block_.data() + begin, kTransfer - begin, static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) refuse(kind, n < 0 ? std::strerror(errno) : "it ends too early");
      at += static_cast<std::size_t>(n);
    }
  }
  [[noreturn]] static void refuse(ErrorKind kind, const char* why) {
    fail(kind, "a file in this folder: {}", why);
  }

  int descriptor_ = -1;
  std::vector<std::byte> block_ = std::vector<std::byte>(kTransfer);
};

MachineTest disk_test(Backend& backend, bool writes) {
  const std::string id = writes ? "disk:write" : "disk:read";
  return {id, [&backend, id, writes] {
            const auto file = std::make_shared<ScratchFile>();
            Runnable r = begin(id, "disk", backend);
            if (!writes) file->write();
            r.run = [file, writes] { writes ? file->write() : file->read(); };
            r.finish = [](BenchRecord& done) {
              done.gb_per_s = static_cast<double>(kDisk) / done.median_ns();
            };
            return r;
          }};
}

// Of a card: `make` is timed, and its own rate is the limit.
MachineTest card_test(Backend& backend, const std::string& id, const char* kind, DType type,
                      const std::function<OpRun(OpInputs&)>& make) {
  return {id, [&backend, id, kind, type, make] {
            const auto inputs = std::make_shared<OpInputs>(backend);
            const OpRun run = make(*inputs);
            Runnable r = begin(id, kind, backend);
            if (run.work.total_operations() > 0) r.record.test.dtype = to_string(type);
            r.run = [inputs, run] { run.run(); };
            r.wait = [&backend] { backend.synchronize(); };
            r.finish = [work = run.work](BenchRecord& done) { add_rates(done, work); };
            return r;
          }};
}

std::vector<MachineTest> card_tests(Backend& backend, Probes& probes) {
  return {card_test(backend, "memory:copy", "memory", DType::f32, card_copy),
          card_test(backend, "product:bf16", "product", DType::bf16,
                    [&probes](OpInputs& in) { return card_product(in, probes.product_side()); }),
          card_test(backend, "link:to_card", "link", DType::f32,
                    [](OpInputs& in) { return link_copy(in, true); }),
          card_test(backend, "link:to_host", "link", DType::f32,
                    [](OpInputs& in) { return link_copy(in, false); })};
}

std::vector<MachineTest> host_tests(Backend& backend, Probes& probes) {
  std::vector<MachineTest> tests;
  tests.push_back(memory_test(backend, probes, "memory:read/t1", 1, false));
  if (probes.threads() > 1) {
    const std::string all = fmt::format("memory:read/t{}", probes.threads());
    tests.push_back(memory_test(backend, probes, all, probes.threads(), false));
  }
  tests.push_back(memory_test(backend, probes, "memory:copy", probes.threads(), true));
  tests.push_back(latency_test(backend, probes));
  for (const DType type : {DType::f32, DType::bf16, DType::q8_0})
    tests.push_back(product_test(backend, type));
  return tests;
}

}  // namespace

std::vector<MachineTest> machine_tests(Backend& backend, Probes& probes) {
  std::vector<MachineTest> tests =
      probes.on_host() ? host_tests(backend, probes) : card_tests(backend, probes);
  tests.push_back(disk_test(backend, true));
  tests.push_back(disk_test(backend, false));
  return tests;
}

}  // namespace r1
