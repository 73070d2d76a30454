// Matrices of layers that are packed in memory: the network is that of the packed numbers, and what
// is merged is not.
#include <gtest/gtest.h>

#include "lib/models/adapter.h"
#include "lib/models/network.h"
#include "lib/train/export.h"
#include "tests/support/random_llama.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

using test::RandomLlama;

// Rows of `down_proj` are no whole blocks of 256.
const RandomLlama& base() {
  static const RandomLlama made(1, 256, 288, 20);
  return made;
}

// It in memory.
struct Loaded {
  Loaded(const RandomLlama& base, std::optional<DType> layers) : Loaded(base.files(), layers) {}
  Loaded(ModelFiles of, std::optional<DType> layers)
      : backend(test::Candidate{"ref"}.open()),
        files(std::move(of)),
        params(*backend, files, {.compute = DType::f32, .layers = layers}),
        network(load_network(files, params)) {}
  std::vector<float> logits(const Adapter* adapter = nullptr) {
    Arena arena(*backend);
    Graph g(*backend, arena);
    if (adapter != nullptr) g.adapt_weights(&adapter->matrices());
    Rows rows;
    rows.ids = g.integers(std::vector<std::int32_t>{3, 1, 19, 7});
    rows.position = g.integers(std::vector<std::int32_t>{0, 1, 2, 3});
    rows.start = g.integers(std::vector<std::int32_t>(4, 0));
    const Tensor y = network->forward(g, rows).value;
    std::vector<float> out(test::count(y.shape));
    backend->copy_to_host(out.data(), y);
    return out;
  }
  DType type(const std::string& name) const {
    for (const auto& [key, var] : params.taken())
      if (key == name) return var.value.dtype;
    return DType::i32;
  }
  std::unique_ptr<Backend> backend;
  ModelFiles files;
  Params params;
  std::unique_ptr<Network> network;
};

TEST(PackedBase, IsTheNetworkOfThePackedNumbers) {
  for (const DType type : {DType::q8_0, DType::q4_0, DType::q4_k}) {
    SCOPED_TRACE(to_string(type));
    const RandomLlama nearest = base().rounded(type);
    Loaded packed(base(), type), rounded(nearest, std::nullopt), plain(base(), std::nullopt);
    EXPECT_EQ(packed.logits(), rounded.logits());
    EXPECT_NE(packed.logits(), plain.logits());
    EXPECT_EQ(packed.type("model.layers.0.mlp.up_proj.weight"), type);
    EXPECT_EQ(packed.type("lm_head.weight"), DType::f32);
    EXPECT_EQ(packed.type("model.layers.0.mlp.down_proj.weight"),
              type == DType::q4_k ? DType::f32 : type);
  }
}

TEST(PackedBase, AFreshAdapterBesideItChangesNoBit) {
  Loaded packed(base(), DType::q4_k);
  for (const bool dora : {false, true}) {
    const Adapter adapter =
        Adapter::fresh(*packed.backend, packed.params, packed.files, {.rank = 2, .dora = dora});
    EXPECT_EQ(packed.logits(&adapter), packed.logits());
  }
}

TEST(PackedBase, WhatIsMergedIsMergedIntoTheNumbersOfTheFile) {
  for (const bool dora : {false, true}) {
    std::vector<std::vector<float>> merged;
    for (const std::optional<DType> layers : {std::optional<DType>(), std::optional(DType::q4_0)}) {
      Loaded t(base(), layers);
      const Adapter adapter =
          Adapter::fresh(*t.backend, t.params, t.files, {.rank = 2, .dora = dora});
      std::uint64_t seed = 0;
      for (const auto& [name, weight] : adapter.weights())
        t.backend->copy_from_host(
            weight.value, test::random_values(weight.value.shape.elements(), ++seed).data());
      const std::string name = "model.layers.0.self_attn.q_proj.weight";
      merged.push_back(TrainedModel{*t.backend, t.files, t.params, &adapter}.values(
          {name, *t.files.find(name)}));
    }
    EXPECT_EQ(merged[0], merged[1]);
  }
}

// What is written in several files is the same model.
TEST(PackedBase, ATrainedFolderMayHaveSeveralFiles) {
  Loaded t(base(), std::nullopt);
  const test::TempDir folder;
  write_trained_folder({*t.backend, t.files, t.params}, folder.path(), DType::f32, 100'000);
  EXPECT_TRUE(std::filesystem::exists(folder.path() / kWeightsIndex));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / kWeightsFile));
  EXPECT_EQ(Loaded(ModelFiles::open(folder.path()), std::nullopt).logits(), t.logits());
}

}  // namespace
}  // namespace r1
