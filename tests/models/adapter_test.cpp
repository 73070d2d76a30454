// LoRA beside a network: nothing at first, then what its two matrices say, whatever file the base
// is in.
#include "lib/models/adapter.h"

#include <numeric>

#include <gtest/gtest.h>

#include "lib/base/output.h"
#include "lib/models/network.h"
#include "tests/support/backends.h"
#include "tests/support/close.h"
#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny.h"
#include "tests/support/to_gguf.h"

namespace r1 {
namespace {

// A base with or without an adapter.
class Adapted {
 public:
  explicit Adapted(const std::filesystem::path& base)
      : backend_(test::Candidate{"ref"}.open()),
        files_(ModelFiles::open(base)),
        params_(*backend_, files_, {.compute = DType::f32}),
        network_(load_network(files_, params_)),
        arena_(*backend_) {}

  Adapter fresh(const AdapterChoice& choice) {
    return Adapter::fresh(*backend_, params_, files_, choice);
  }
  Adapter read(const std::filesystem::path& folder) {
    return Adapter::read(*backend_, params_, files_, folder);
  }
  // As if it had been taught.
  void fill(const Adapter& adapter) {
    std::uint64_t seed = 0;
    for (const auto& [name, weight] : adapter.weights())
      backend_->copy_from_host(
          weight.value,
          test::random_values(weight.value.shape.elements(), ++seed, -0.3f, 0.3f).data());
  }
  std::vector<float> logits(const std::vector<std::int32_t>& ids, const Adapter* adapter) {
    arena_.reset();
    Graph g(*backend_, arena_);
    if (adapter != nullptr) g.adapt_weights(&adapter->matrices());
    Rows rows;
    std::vector<std::int32_t> position(ids.size());
    std::iota(position.begin(), position.end(), 0);
    rows.ids = g.integers(ids);
    rows.position = g.integers(position);
    rows.start = rows.newline = g.integers(std::vector<std::int32_t>(ids.size(), 0));
    const Tensor y = network_->forward(g, rows).value;
    std::vector<float> out(static_cast<std::size_t>(y.shape.elements()));
    backend_->copy_to_host(out.data(), y);
    return out;
  }

 private:
  std::unique_ptr<Backend> backend_;
  ModelFiles files_;
  Params params_;
  std::unique_ptr<Network> network_;
  Arena arena_;
};

TEST(Adapter, AFreshOneChangesNoBit) {
  Adapted base(test::kTiny / "llama");
  const auto ids = test::read_golden("llama").ids;
  const Adapter adapter = base.fresh({.rank = 3});
  EXPECT_EQ(base.logits(ids, &adapter), base.logits(ids, nullptr));
  base.fill(adapter);
  EXPECT_NE(base.logits(ids, &adapter), base.logits(ids, nullptr));
}

TEST(Adapter, ReadAgainItIsTheSameBesideAFolderAndAGgufFile) {
  for (const char* name : {"llama", "qwen2", "r1plus"}) {
    SCOPED_TRACE(name);
    const test::TempDir dir;
    test::GgufOf(test::kTiny / name).write(dir / "model.gguf");
    Adapted folder(test::kTiny / name), gguf(dir / "model.gguf");
    const auto ids = test::read_golden(name).ids;
    for (Adapted* base : {&folder, &gguf}) {
      const Adapter made = base->fresh({.rank = 3, .alpha = 5, .rank_stabilized = true});
      base->fill(made);
      made.write(dir.path(), name);
      const std::vector<float> want = base->logits(ids, &made);
      const Adapter same = base->read(dir.path());
      EXPECT_EQ(base->logits(ids, &same), want);
      Adapted& other = base == &folder ? gguf : folder;
      const Adapter there = other.read(dir.path());
      const std::vector<float> got = other.logits(ids, &there);
      for (std::size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-4);
    }
  }
}

TEST(Adapter, StandsBesideTheModulesAskedFor) {
  Adapted base(test::kTiny / "llama");
  const Adapter some = base.fresh({.modules = {"q_*", "down_proj"}});
  EXPECT_FALSE(some.weights().empty());
  for (const auto& [name, weight] : some.weights()) {
    EXPECT_TRUE(name.find("q_proj") != std::string::npos ||
                name.find("down_proj") != std::string::npos)
        << name;
  }
  EXPECT_FAILS(ErrorKind::usage, "is called z_proj", base.fresh({.modules = {"z_proj", "q_proj"}}));
}

TEST(Adapter, OfAnotherKindOrBaseIsRefused) {
  const test::TempDir dir;
  Adapted llama(test::kTiny / "llama"), other(test::kTiny / "r1plus");
  llama.fresh({.modules = {"q_proj"}}).write(dir.path(), "llama");
  EXPECT_FAILS(ErrorKind::model, "adapter_model.safetensors: ", other.read(dir.path()));
  const auto config = [&](const std::string& text) {
    const auto out = open_file(dir / "adapter_config.json");
    out->write(text);
    out->close();
  };
  config(R"({"peft_type":"LORA","r":8,"lora_alpha":16,"use_dora":true})");
  EXPECT_FAILS(ErrorKind::model, "use_dora is not supported", llama.read(dir.path()));
  config(R"({"peft_type":"IA3"})");
  EXPECT_FAILS(ErrorKind::model, "IA3 is not supported", llama.read(dir.path()));
  config(R"({"peft_type":"LORA","r":0,"lora_alpha":16})");
  EXPECT_FAILS(ErrorKind::model, "rank 0", llama.read(dir.path()));
}

}  // namespace
}  // namespace r1
