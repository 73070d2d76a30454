#include "kernels/ref/ref_backend.h"
#include "lib/base/write_file.h"
#include "lib/models/adapter.h"
#include "lib/models/network.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"

namespace {

// A base that adapters may stand beside, and a place for their files.
class Base {
 public:
  Base()
      : files_(r1::ModelFiles::open(r1::test::write_tiny_model(dir_ / "tiny.gguf", {}))),
        params_(backend_, files_, {.compute = r1::DType::f32}),
        network_(r1::load_network(files_, params_)) {}

  void read_folder(std::string_view config, std::string_view weights) {
    r1::write_file(dir_ / "adapter_config.json", config);
    r1::write_file(dir_ / "adapter_model.safetensors", weights);
    r1::Adapter::read(backend_, params_, files_, dir_ / "");
  }
  void read_gguf(std::string_view bytes) {
    r1::write_file(dir_ / "adapter.gguf", bytes);
    r1::Adapter::read(backend_, params_, files_, dir_ / "adapter.gguf");
  }

 private:
  r1::test::TempDir dir_;
  r1::RefBackend backend_;
  r1::ModelFiles files_;
  r1::Params params_;
  std::unique_ptr<r1::Network> network_;
};

}  // namespace

// The length of an adapter_config.json (u16), it, and a safetensors file; with the length 0 a GGUF
// file: an adapter is read or refused.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Base base;
  return r1::test::fuzz(data, size, [](r1::ByteSpan bytes) {
    if (bytes.size() < 2) return;
    const std::size_t length =
        std::to_integer<std::size_t>(bytes[0]) + 256 * std::to_integer<std::size_t>(bytes[1]);
    const r1::ByteSpan rest = bytes.subspan(2);
    if (length == 0) return base.read_gguf(r1::as_text(rest));
    if (length > rest.size()) return;
    base.read_folder(r1::as_text(rest.first(length)), r1::as_text(rest.subspan(length)));
  });
}
