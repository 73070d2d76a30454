// LoRA and DoRA beside a network: nothing at first, then what they learnt, whatever file the base
// is in.
#include "lib/models/adapter.h"

#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "lib/base/output.h"
#include "lib/models/gguf_export.h"
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
  Adapter read(const std::filesystem::path& path) {
    return Adapter::read(*backend_, params_, files_, path);
  }
  const ModelFiles& files() const { return files_; }
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
  for (const char* name : {"llama", "qwen2"})
    for (const bool dora : {false, true}) {
      SCOPED_TRACE(fmt::format("{} {}", name, dora));
      Adapted base(test::kTiny / name);
      const auto ids = test::read_golden(name).ids;
      const Adapter adapter = base.fresh({.rank = 3, .dora = dora});
      EXPECT_EQ(base.logits(ids, &adapter), base.logits(ids, nullptr));
      base.fill(adapter);
      EXPECT_NE(base.logits(ids, &adapter), base.logits(ids, nullptr));
    }
}

TEST(Adapter, ReadAgainItIsTheSameBesideAFolderAndAGgufFile) {
  for (const char* name : {"llama", "qwen2", "r1plus"}) {
    SCOPED_TRACE(name);
    const test::TempDir dir;
    test::GgufOf(test::kTiny / name).write(dir / "model.gguf");
    Adapted folder(test::kTiny / name), gguf(dir / "model.gguf");
    const auto ids = test::read_golden(name).ids;
    for (Adapted* base : {&folder, &gguf}) {
      for (const bool dora : {false, true}) {
        const Adapter made =
            base->fresh({.rank = 3, .alpha = 5, .rank_stabilized = true, .dora = dora});
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
}

TEST(Adapter, OfAGgufFileIsTheSameBesideAFolderAndAGgufFile) {
  for (const char* name : {"llama", "qwen2", "r1plus"}) {
    SCOPED_TRACE(name);
    const test::TempDir dir;
    test::GgufOf(test::kTiny / name).write(dir / "model.gguf");
    Adapted folder(test::kTiny / name), gguf(dir / "model.gguf");
    const auto ids = test::read_golden(name).ids;
    for (Adapted* base : {&folder, &gguf}) {
      const Adapter made = base->fresh({.rank = 3, .alpha = 5, .rank_stabilized = true});
      base->fill(made);
      made.write_gguf(dir / "adapter.gguf", base->files());
      const std::vector<float> want = base->logits(ids, &made);
      for (Adapted* other : {&folder, &gguf}) {
        const Adapter there = other->read(dir / "adapter.gguf");
        const std::vector<float> got = other->logits(ids, &there);
        for (std::size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-4);
      }
    }
  }
}

TEST(Adapter, ItsBytesAreKnownBeforeItIsRead) {
  const test::TempDir dir;
  Adapted base(test::kTiny / "llama");
  const Adapter made = base.fresh({.rank = 3});
  std::int64_t numbers = 0;
  for (const auto& [name, weight] : made.weights()) numbers += weight.value.shape.elements();
  made.write(dir.path(), "llama");
  made.write_gguf(dir / "file.gguf", base.files());
  for (const std::filesystem::path& path : {dir.path(), dir / "file.gguf"})
    EXPECT_EQ(Adapter::bytes_of(path), 4 * static_cast<std::uint64_t>(numbers));
  EXPECT_EQ(Adapter::bytes_of(""), 0);
}

// What llama.cpp's loader asks for: keys, names, and shapes with the rows of q as the model's.
TEST(Adapter, AGgufFileOfOneHasTheKeysNamesAndRowsOfLlamaCpp) {
  const test::TempDir dir;
  Adapted base(test::kTiny / "llama");
  const Adapter made = base.fresh({.rank = 3, .alpha = 6, .modules = {"q_proj", "v_proj"}});
  base.fill(made);
  made.write(dir.path(), "llama");
  made.write_gguf(dir / "adapter.gguf", base.files());
  const MappedFile file(dir / "adapter.gguf"), plain(dir / "adapter_model.safetensors");
  const GgufFile gguf = GgufFile::parse(file.bytes(), "adapter.gguf");
  EXPECT_EQ(gguf.string("general.type"), "adapter");
  EXPECT_EQ(gguf.string("general.architecture"), "llama");
  EXPECT_EQ(gguf.string("adapter.type"), "lora");
  EXPECT_EQ(gguf.number("adapter.lora.alpha"), 6);
  const SafetensorsFile folder = parse_safetensors(plain.bytes(), "adapter_model.safetensors");
  const auto find = [](const std::vector<NamedTensor>& all, const std::string& name) {
    for (const NamedTensor& t : all)
      if (t.name == name) return t.tensor;
    return Tensor{};
  };
  const std::string layer = "base_model.model.model.layers.1.self_attn.";
  for (const auto& [theirs, ours, head_dim] :
       {std::tuple{"blk.1.attn_q.weight.lora_b", "q_proj.lora_B.weight", 4},
        std::tuple{"blk.1.attn_q.weight.lora_a", "q_proj.lora_A.weight", 0},
        std::tuple{"blk.1.attn_v.weight.lora_b", "v_proj.lora_B.weight", 0}}) {
    SCOPED_TRACE(theirs);
    const Tensor there = find(gguf.tensors(), theirs), here = find(folder.tensors, layer + ours);
    ASSERT_FALSE(there.empty());
    ASSERT_EQ(there.shape, here.shape);
    const std::int64_t width = here.cols();
    for (std::int64_t n = 0; n < here.rows(); ++n)
      for (std::int64_t k = 0; k < width; ++k)
        ASSERT_EQ(there.as<float>()[n * width + k],
                  here.as<float>()[row_in_folder(n, head_dim) * width + k])
            << n;
  }
}

TEST(Adapter, AGgufFileOfAnotherKindOrModelIsRefused) {
  const test::TempDir dir;
  Adapted llama(test::kTiny / "llama"), qwen(test::kTiny / "qwen2");
  llama.fresh({.modules = {"q_proj"}}).write_gguf(dir / "adapter.gguf", llama.files());
  EXPECT_FAILS(ErrorKind::model, "is of architecture llama, and the model is qwen2",
               qwen.read(dir / "adapter.gguf"));
  test::GgufOf(test::kTiny / "llama").write(dir / "model.gguf");
  EXPECT_FAILS(ErrorKind::model, "is no adapter of LoRA", llama.read(dir / "model.gguf"));
  EXPECT_FAILS(ErrorKind::usage, "no place for what DoRA learns",
               llama.fresh({.dora = true}).write_gguf(dir / "x.gguf", llama.files()));
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
  EXPECT_FAILS(ErrorKind::model, "layers.0.self_attn.q_proj.lora_magnitude_vector",
               llama.read(dir.path()));
  config(R"({"peft_type":"LORA","r":8,"lora_alpha":16,"lora_bias":true})");
  EXPECT_FAILS(ErrorKind::model, "lora_bias is not supported", llama.read(dir.path()));
  config(R"({"peft_type":"LORA","r":8,"lora_alpha":16,"init_lora_weights":"pissa_niter_4"})");
  EXPECT_FAILS(ErrorKind::model, "init_lora_weights pissa_niter_4 is not supported",
               llama.read(dir.path()));
  config(R"({"peft_type":"LORA","r":65536,"lora_alpha":16})");
  EXPECT_FAILS(ErrorKind::model, "q_proj.lora_A.weight is", llama.read(dir.path()));
  config(R"({"peft_type":"IA3"})");
  EXPECT_FAILS(ErrorKind::model, "IA3 is not supported", llama.read(dir.path()));
  config(R"({"peft_type":"LORA","r":0,"lora_alpha":16})");
  EXPECT_FAILS(ErrorKind::model, "rank 0", llama.read(dir.path()));
}

}  // namespace
}  // namespace r1
