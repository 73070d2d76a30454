// Hugging Face folders out of Hugging Face folders: what is written is read as any other.
#include "lib/quant/write_folder.h"

#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "lib/backend/open_backend.h"
#include "lib/models/decoder_config.h"
#include "lib/quant/quantize_model.h"
#include "lib/tensor/quant_block.h"
#include "tests/support/fails.h"
#include "tests/support/quantized_weights.h"
#include "tests/support/run_network.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_vocabulary.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;
using Kind = ErrorKind;

const std::string kUp = "model.layers.0.mlp.up_proj.weight";
const std::string kDown = "model.layers.0.mlp.down_proj.weight";

class WriteFolder : public testing::Test {
 protected:
  // One layer; 130 of the feed-forward, which groups of 128 do not divide.
  WriteFolder() : pool_(2) {
    test::write_bytes(dir_ / "in/config.json",
                      R"({"architectures":["LlamaForCausalLM"],"hidden_size":256,
        "num_hidden_layers":1,"num_attention_heads":4,"num_key_value_heads":2,
        "intermediate_size":130,"vocab_size":256,"max_position_embeddings":128,
        "rms_norm_eps":1e-05,"torch_dtype":"float32"})");
    const test::TinyBpe bpe = {.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":false})"};
    test::write_bytes(dir_ / "in/tokenizer.json", bpe.json());
    test::write_bytes(dir_ / "in/quantize_config.json", "{}");
    test::write_bytes(dir_ / "in/pytorch_model.bin", "a pickle");
    test::write_bytes(dir_ / "in/.cache", "hidden");
    const std::string layer = "model.layers.0.";
    add("model.embed_tokens.weight", {256, 256});
    add("lm_head.weight", {256, 256});
    add("model.norm.weight", {256});
    add(layer + "input_layernorm.weight", {256});
    add(layer + "post_attention_layernorm.weight", {256});
    add(layer + "self_attn.q_proj.weight", {256, 256});
    add(layer + "self_attn.k_proj.weight", {128, 256});
    add(layer + "self_attn.v_proj.weight", {128, 256});
    add(layer + "self_attn.o_proj.weight", {256, 256});
    add(layer + "mlp.gate_proj.weight", {130, 256});
    add(kUp, {130, 256});
    add(kDown, {256, 130});
    save();
  }

  void add(const std::string& name, const Shape& shape) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < shape.elements(); ++i) {
      const float u = static_cast<float>(random_() % 2001) / 1000.0f - 1.0f;
      values.push_back(0.1f * u * u * u);
    }
    tensors_.add(name, shape, DType::f32, values);
  }
  void save() {
    const auto out = open_file(dir_ / "in/model.safetensors");
    write_safetensors(*out, tensors_.named(), {});
    out->close();
  }
  // Written and held against the old one; where.
  fs::path written(FolderChoice choice, bool search = true, int threads = 2) {
    return written(choice, {.search = search}, threads);
  }
  fs::path written(FolderChoice choice, const WriteFolderOptions& options, int threads = 2) {
    const fs::path to = dir_ / fmt::format("out{}", made_++);
    fs::create_directory(to);
    const ModelFiles files = ModelFiles::open(dir_ / "in");
    const FolderPlan plan = plan_folder(files, choice);
    ThreadPool pool(threads);
    SumJournal journal;
    write_folder(to, files, plan, options, pool, journal);
    errors_ = verify_folder(to, files, plan, journal.sums(), pool, [](std::uint64_t) {});
    return to;
  }
  static std::vector<float> numbers(const ModelFiles& files, const std::string& name) {
    const Tensor& t = *files.find(name);
    files.fetch(t);
    std::vector<float> values(static_cast<std::size_t>(t.shape.elements()));
    unpack(values, t.data, t.dtype);
    return values;
  }

  test::TempDir dir_;
  std::mt19937 random_{3};
  test::Tensors tensors_;
  ThreadPool pool_;
  std::vector<TensorError> errors_;
  int made_ = 0;
};

TEST_F(WriteFolder, QuantizedFoldersAreReadAsModels) {
  for (const std::string& type : folder_type_names()) {
    SCOPED_TRACE(type);
    const ModelFiles files = ModelFiles::open(written({.type = *folder_type(type)}));
    EXPECT_EQ(read_decoder_config(files).width, 256);
    EXPECT_EQ(files.tensors().size(), tensors_.named().size());
    const bool plain = type == "f32" || type == "f16" || type == "bf16";
    EXPECT_EQ(files.was_quantized(*files.find(kUp)), !plain);
  }
}

TEST_F(WriteFolder, AnyNumberOfThreadsWritesTheSameBytes) {
  for (const std::string& type : folder_type_names()) {
    const fs::path one = written({.type = *folder_type(type)}, true, 1);
    const fs::path three = written({.type = *folder_type(type)}, true, 3);
    EXPECT_EQ(test::read_bytes(one / "model.safetensors"),
              test::read_bytes(three / "model.safetensors"))
        << type;
  }
}

// E4M3 keeps 4 bits of a normal number: half a step is 2^-4 of it. Below 2^-6 of the scale steps
// are 2^-9 of it, and half of one 2^-10. What is read is rounded to 8 bits once more.
TEST_F(WriteFolder, Fp8IsWithinHalfAStep) {
  const std::vector<float> want = numbers(ModelFiles::open(dir_ / "in"), kUp);
  for (const FolderType type : {FolderType::fp8, FolderType::fp8_block}) {
    const std::vector<float> have = numbers(ModelFiles::open(written({.type = type})), kUp);
    double worst = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double size = std::abs(double{want[i]});
      const double most = std::max(size * 0x1p-4, 0.1 / 448 * 0x1p-10) + size * 0x1.1p-8;
      worst = std::max(worst, std::abs(double{have[i]} - want[i]) / most);
    }
    EXPECT_LE(worst, 1.0);
    EXPECT_GT(worst, 0.5);  // it is no copy
  }
}

// A scale of f16 is off by 2^-11 at most, seven and a half times: levels end at 7.5 (1 + 2^-11)
// steps, half a step and a little beyond the last.
TEST_F(WriteFolder, RoundingTo4BitsIsWithinHalfAStepAndTheSearchIsBetter) {
  const std::vector<float> want = numbers(ModelFiles::open(dir_ / "in"), kUp);
  double squares[2] = {};
  for (const bool search : {false, true}) {
    const ModelFiles files = ModelFiles::open(written({.type = FolderType::w4a16}, search));
    EXPECT_EQ(files.find(kUp)->dtype, DType::q4_0);
    const std::vector<float> have = numbers(files, kUp);
    for (std::size_t g = 0; g < want.size(); g += 128) {
      double most = 0, worst = 0;
      for (std::size_t i = g; i < g + 128; ++i) {
        most = std::max(most, std::abs(double{want[i]}));
        worst = std::max(worst, std::abs(double{have[i]} - want[i]));
        squares[search ? 1 : 0] += std::pow(double{have[i]} - want[i], 2);
      }
      if (!search) {
        EXPECT_LE(worst, most / 7.5 * (0.5 + 8 * 0x1p-11)) << g;
      }
    }
  }
  EXPECT_LT(squares[1], 0.97 * squares[0]);
  EXPECT_GT(squares[1], 0);
}

// The model over a text that means nothing: what its products lose, sum |x (W - Q)^T|^2, falls from
// even importance to that of the inputs, and far with error feedback.
TEST_F(WriteFolder, CalibrationKeepsWhatTheProductsSee) {
  const ModelFiles files = ModelFiles::open(dir_ / "in");
  const auto backend = open_backend("ref");
  Params params(*backend, files, {.compute = DType::f32});
  const auto network = load_network(files, params);
  Calibration calibration{*backend, *network, params, {}, std::vector<std::uint8_t>(256)};
  calibration.gguf = false;
  for (int i = 0; i < 4; ++i) {
    auto& window = calibration.windows.emplace_back();
    for (int t = 0; t < 64; ++t) window.push_back(static_cast<std::int32_t>(random_() % 256));
  }
  std::map<std::string, std::vector<float>> inputs;  // [T, K]
  calibration.run(4, [&](const std::string& name, const Tensor& x) {
    inputs[name].insert(inputs[name].end(), x.as<float>(), x.as<float>() + x.shape.elements());
  });
  const FolderChoice choice{.type = FolderType::w4a16};
  const FolderPlan plan = plan_folder(files, choice);
  const auto lost = [&](const fs::path& folder) {
    const ModelFiles now = ModelFiles::open(folder);
    double sum = 0;
    for (const FolderWeight& w : plan.weights) {
      if (!w.quantized) continue;
      const std::vector<float> before = numbers(files, w.source.name);
      const std::vector<float> after = numbers(now, w.source.name);
      const auto K = static_cast<std::size_t>(w.source.tensor.cols());
      const std::vector<float>& x = inputs.at(w.gguf_name);
      for (std::size_t t = 0; t < x.size(); t += K)
        for (std::size_t n = 0; n < before.size(); n += K) {
          double y = 0;
          for (std::size_t k = 0; k < K; ++k)
            y += double{x[t + k]} * (double{before[n + k]} - double{after[n + k]});
          sum += y * y;
        }
    }
    return sum;
  };
  const Imatrix imatrix = collect_imatrix(calibration);
  const PackedTensors packed = pack_by_feedback(plan, files, calibration, pool_, 1 << 20);
  EXPECT_EQ(packed.size(), 6u);
  const double even = lost(written(choice));
  const double weighted = lost(written(choice, {.imatrix = &imatrix}));
  const double fed_back = lost(written(choice, {.imatrix = &imatrix, .packed = &packed}));
  RecordProperty("shares", fmt::format("{} {}", weighted / even, fed_back / even));
  EXPECT_LT(weighted, 0.95 * even);
  EXPECT_LT(fed_back, 0.4 * weighted);
}

TEST_F(WriteFolder, RowsThatGroupsDoNotDivideStayAndAreNamed) {
  const fs::path to = written({.type = FolderType::w4a16});
  const ModelFiles files = ModelFiles::open(to);
  EXPECT_EQ(files.find(kDown)->dtype, DType::f32);
  EXPECT_EQ(numbers(files, kDown), numbers(ModelFiles::open(dir_ / "in"), kDown));
  const Json config = parse_json(test::read_bytes(to / "config.json"), "config.json");
  const Json::Array& ignored = config.at("quantization_config", "c").at("ignore", "c").array("c");
  ASSERT_EQ(ignored.size(), 2u);
  EXPECT_EQ(ignored[0].string("c"), "lm_head");
  EXPECT_EQ(ignored[1].string("c"), "model.layers.0.mlp.down_proj");
}

TEST_F(WriteFolder, WhatIsKeptIsAsItWas) {
  const ModelFiles files = ModelFiles::open(
      written({.type = FolderType::fp8, .keep = {parse_pattern("up_proj", "--keep")}}));
  const ModelFiles before = ModelFiles::open(dir_ / "in");
  for (const std::string& name :
       {kUp, std::string("lm_head.weight"), std::string("model.embed_tokens.weight")})
    EXPECT_EQ(numbers(files, name), numbers(before, name)) << name;
}

TEST_F(WriteFolder, SmallFilesGoAlongAndOldDescriptionsDoNot) {
  const fs::path to = written({.type = FolderType::bf16});
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(to))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names,
            (std::vector<std::string>{"config.json", "model.safetensors", "tokenizer.json"}));
  EXPECT_EQ(test::read_bytes(to / "tokenizer.json"), test::read_bytes(dir_ / "in/tokenizer.json"));
  const Json config = parse_json(test::read_bytes(to / "config.json"), "config.json");
  EXPECT_EQ(config.at("torch_dtype", "c").string("c"), "bfloat16");
  EXPECT_EQ(config.find("quantization_config"), nullptr);
}

TEST_F(WriteFolder, ShardsAreNoLargerThanSaidUnlessOneWeightIs) {
  const fs::path whole = written({.type = FolderType::fp8});
  const fs::path to = written({.type = FolderType::fp8, .shard_bytes = 70'000});
  std::size_t shards = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(to)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".safetensors")) continue;
    ++shards;
    EXPECT_TRUE(name.starts_with("model-0000") && name.find("-of-0000") != std::string::npos);
    EXPECT_LT(entry.file_size(), 262'144u + 2048u) << name;  // of the largest weight, the head
  }
  EXPECT_GT(shards, 4u);
  const ModelFiles a = ModelFiles::open(whole), b = ModelFiles::open(to);
  for (const NamedTensor& t : a.tensors())
    EXPECT_EQ(numbers(a, t.name), numbers(b, t.name)) << t.name;
}

TEST_F(WriteFolder, WhatWasQuantizedIsNotQuantizedAgainUnasked) {
  const fs::path first = written({.type = FolderType::fp8});
  const ModelFiles files = ModelFiles::open(first);
  EXPECT_FAILS(Kind::usage, "is quantized already; --allow-requantize",
               plan_folder(files, {.type = FolderType::w4a16}));
  plan_folder(files, {.type = FolderType::w4a16, .requantize = true});
  plan_folder(files, {.type = FolderType::bf16});
}

// Rows of q and k change their places in GGUF files of Llama, and keep their blocks.
TEST_F(WriteFolder, AQuantizedFolderBecomesAGgufFileOfTheSameBlocks) {
  const ModelFiles files = ModelFiles::open(written({.type = FolderType::w4a16}));
  const TypeChoice choice{.mix = &mix_named("q4_0"),
                          .keep = {parse_pattern("token_embd|output", "--keep")}};
  const fs::path share = fs::path(R1_SOURCE_DIR) / "share";
  EXPECT_FAILS(Kind::usage, "blk.0.attn_q.weight is q4_0 already",
               plan_quantization(files, {.mix = &mix_named("q8_0")}, false, share));
  const QuantizePlan plan = plan_quantization(files, choice, false, share);
  const auto out = open_file(dir_ / "out.gguf");
  SumJournal journal;
  write_quantized(*out, files, plan, {}, pool_, journal);
  out->close();
  const std::vector<TensorError> errors =
      verify_quantized(dir_ / "out.gguf", files, plan, journal.sums(), pool_, [](std::uint64_t) {});
  const ModelFiles gguf = ModelFiles::open(dir_ / "out.gguf");
  std::size_t same = 0;
  for (std::size_t i = 0; i < errors.size(); ++i)
    if (gguf.find(plan.tensors[i].name())->dtype == DType::q4_0) {
      EXPECT_EQ(errors[i].max_abs, 0.0) << plan.tensors[i].name();
      ++same;
    }
  EXPECT_EQ(same, 6u);
  const test::Ids ids = {1, 77, 200, 3};
  EXPECT_EQ(test::Runner(open_backend("ref"), dir_ / "out.gguf").greedy(ids, 8),
            test::Runner(open_backend("ref"), files.path()).greedy(ids, 8));
}

TEST_F(WriteFolder, Fp8IsNotQuantizedAgainUnasked) {
  const ModelFiles files = ModelFiles::open(written({.type = FolderType::fp8}));
  const fs::path share = fs::path(R1_SOURCE_DIR) / "share";
  EXPECT_FAILS(Kind::usage, "is quantized already; --allow-requantize",
               plan_quantization(files, {.mix = &mix_named("q4_0")}, false, share));
  plan_quantization(files, {.mix = &mix_named("q4_0")}, true, share);
  plan_quantization(files, {.mix = &mix_named("f16")}, false, share);
}

TEST_F(WriteFolder, NumbersThatAreNotFiniteAreNamed) {
  tensors_.at(kUp).as<float>()[77] = std::numeric_limits<float>::quiet_NaN();
  save();
  for (const std::string& type : folder_type_names())
    EXPECT_FAILS(Kind::model, kUp + " holds a number that is not finite",
                 written({.type = *folder_type(type)}));
}

TEST_F(WriteFolder, NumbersTooLargeAreNamed) {
  tensors_.at(kUp).as<float>()[77] = 1e30f;
  save();
  for (const char* type : {"f16", "w4a16"})
    EXPECT_FAILS(Kind::model, fmt::format("{} holds a number too large for {}", kUp, type),
                 written({.type = *folder_type(type)}));
  for (const char* type : {"bf16", "fp8", "fp8_block"}) written({.type = *folder_type(type)});
}

class ResumedFolder : public WriteFolder {
 protected:
  const FolderChoice choice_{.type = FolderType::w4a16, .shard_bytes = 300'000};

  // A whole one.
  fs::path whole(const ModelFiles& files) {
    const fs::path to = dir_ / fmt::format("whole{}", made_++);
    fs::create_directory(to);
    SumJournal journal;
    write_folder(to, files, plan_folder(files, choice_), {}, pool_, journal);
    return to;
  }
  // Broken off at the `at`th step; what is left has its journal.
  fs::path broken(const ModelFiles& files, int at) {
    const fs::path to = dir_ / fmt::format("broken{}", made_++);
    fs::create_directory(to);
    int step = 0;
    const auto breaks = [&](std::uint64_t) {
      if (++step == at) fail(ErrorKind::interrupted, "here");
    };
    SumJournal journal(folder_sums_path(to), {});
    EXPECT_FAILS(
        Kind::interrupted, "here",
        write_folder(to, files, plan_folder(files, choice_), {.progress = breaks}, pool_, journal));
    return to;
  }
  // Goes on in `to`, which is then as `want`; returns how many steps that took.
  int resume(const fs::path& to, const ModelFiles& files, const fs::path& want) {
    const FolderPlan plan = plan_folder(files, choice_);
    const ResumePoint point = resume_folder(to, files, plan, {});
    kept_ = point.kept.size();
    why_ = point.why_not;
    SumJournal journal(folder_sums_path(to), point.kept);
    int steps = 0;
    std::uint64_t last = plan.bytes;
    const auto count = [&](std::uint64_t done) { ++steps, last = done; };
    write_folder(to, files, plan, {.progress = count}, pool_, journal);
    EXPECT_EQ(last, plan.bytes);
    verify_folder(to, files, plan, journal.sums(), pool_, [](std::uint64_t) {});
    for (const fs::directory_entry& entry : fs::directory_iterator(want))
      EXPECT_EQ(test::read_bytes(to / entry.path().filename()), test::read_bytes(entry.path()))
          << entry.path();
    return steps;
  }

  std::size_t kept_ = 0;
  std::string why_;
};

// Wherever the run broke off, the same folder comes of going on.
TEST_F(ResumedFolder, AResumedFolderIsTheSame) {
  const ModelFiles files = ModelFiles::open(dir_ / "in");
  const FolderPlan plan = plan_folder(files, choice_);
  ASSERT_GT(plan.shards.size(), 2u);
  const fs::path want = whole(files), empty = dir_ / "empty";
  fs::create_directory(empty);
  const int steps = resume(empty, files, want);
  ASSERT_EQ(steps, 13);  // before each weight, and at the end
  for (int at = 1; at <= steps; ++at) {
    SCOPED_TRACE(at);
    EXPECT_EQ(resume(broken(files, at), files, want), steps - at + 1);
  }
}

TEST_F(ResumedFolder, WhatIsDamagedIsWrittenAnew) {
  const ModelFiles files = ModelFiles::open(dir_ / "in");
  const FolderPlan plan = plan_folder(files, choice_);
  const fs::path want = whole(files), to = broken(files, 10);
  const fs::path first = to / plan.shards[0].file;  // whole, under its own name
  std::string bytes = test::read_bytes(first);
  bytes[bytes.size() - 1000] = static_cast<char>(bytes[bytes.size() - 1000] ^ 1);
  test::write_bytes(first, bytes);
  resume(to, files, want);
  EXPECT_EQ(why_, plan.weights[plan.shards[0].end - 1].source.name + " is damaged");
  EXPECT_EQ(kept_, plan.shards[0].end - 1);

  const fs::path other = broken(files, 10);
  bytes[8] = ' ';  // of the header
  test::write_bytes(other / plan.shards[0].file, bytes);
  resume(other, files, want);
  EXPECT_EQ(why_, plan.weights[0].source.name + " is not whole");
}

TEST_F(ResumedFolder, WhatWasNotNotedOrIsMadeOfOtherWeightsIsWrittenAnew) {
  fs::path to;
  {
    const ModelFiles files = ModelFiles::open(dir_ / "in");
    const fs::path noted = broken(files, 10);
    const std::string lines = test::read_bytes(folder_sums_path(noted));
    test::write_bytes(folder_sums_path(noted), lines.substr(0, 100));
    resume(noted, files, whole(files));
    EXPECT_EQ(kept_, 1u);
    EXPECT_EQ(why_, "");
    to = broken(files, 10);
  }
  tensors_.at("model.embed_tokens.weight").as<float>()[50'000] += 1e-6f;
  save();
  const ModelFiles files = ModelFiles::open(dir_ / "in");
  resume(to, files, whole(files));
  EXPECT_EQ(kept_, 1u);  // the head stands before it
  EXPECT_EQ(why_, "model.embed_tokens.weight was made of other weights");
}

TEST_F(WriteFolder, AFolderThatChangedIsNotVerified) {
  const ModelFiles files = ModelFiles::open(dir_ / "in");
  const FolderPlan plan = plan_folder(files, {.type = FolderType::fp8});
  const fs::path to = dir_ / "out";
  fs::create_directory(to);
  SumJournal journal;
  write_folder(to, files, plan, {}, pool_, journal);
  std::string bytes = test::read_bytes(to / "model.safetensors");
  bytes[bytes.size() - 1000] = static_cast<char>(bytes[bytes.size() - 1000] ^ 1);
  test::write_bytes(to / "model.safetensors", bytes);
  EXPECT_FAILS(Kind::write, "is not what was written",
               verify_folder(to, files, plan, journal.sums(), pool_, [](std::uint64_t) {}));
}

}  // namespace
}  // namespace r1
