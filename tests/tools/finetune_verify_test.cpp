// What was written is what was trained: files with a planted fault are refused, and the same files
// without it are not.
#include <functional>

#include <gtest/gtest.h>

#include "lib/backend/open_backend.h"
#include "lib/base/output.h"
#include "lib/models/gguf_export.h"
#include "lib/models/tensor_names.h"
#include "lib/tensor/quant_block.h"
#include "tests/support/fails.h"
#include "tests/support/random_llama.h"
#include "tests/support/tiny_vocabulary.h"
#include "tests/support/tokenizer_folder.h"
#include "tools/finetune/export.h"
#include "tools/finetune/verify.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;
using Values = std::vector<float>;

constexpr std::int64_t kWidth = 64, kVocab = 260, kHeadDim = kWidth / 4;

// A Llama whose tokens are bytes, with BOS before each text and a chat template.
void write_base(const test::RandomLlama& llama, const fs::path& folder) {
  llama.write(folder);
  const test::TinyBpe bpe = {.merges = {},
                             .added = R"([{"id":256,"content":"<bos>","special":true},)"
                                      R"({"id":257,"content":"<|im_start|>","special":true},)"
                                      R"({"id":258,"content":"<|im_end|>","special":true}])",
                             .pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":false})"};
  test::write_bytes(folder / "tokenizer.json", bpe.json());
  test::write_bytes(folder / "tokenizer_config.json",
                    R"({"bos_token":"<bos>","eos_token":"<|im_end|>","add_bos_token":true,)"
                    R"("chat_template":"{% for m in messages %}<|im_start|>{{ m.role }}\n)"
                    R"({{ m.content }}<|im_end|>\n{% endfor %}"})");
}

Pack random_pack(std::int64_t T) {
  Pack pack;
  for (std::int64_t t = 0; t < T; ++t) {
    const auto at = static_cast<std::uint64_t>(t);
    pack.ids.push_back(static_cast<std::int32_t>(random_bits(9, 0, at) % 256));
    pack.position.push_back(static_cast<std::int32_t>(t));
    pack.start.push_back(0);
    pack.target.push_back(pack.ids.back());
  }
  return pack;
}

class Verify : public testing::Test {
 protected:
  Verify() {
    for (const char* name : {"base", "out"}) fs::create_directory(dir_ / name);
    write_base(llama_, dir_ / "base");
  }

  // A pupil as if it had been taught, and what it exports: already verified once.
  void teach(const std::string& kind, const std::string& method = "lora",
             const std::string& type = "f32") {
    s_.model = (dir_ / "base").string();
    s_.output = (dir_ / "out").string();
    s_.method = method;
    s_.rank = 4;
    s_.export_kind = kind;
    s_.export_type = type;
    s_.export_given = true;
    s_.threads = 1;
    files_ = std::make_unique<ModelFiles>(ModelFiles::open(s_.model));
    text_ = std::make_unique<TextOfModel>(*files_, test::kShare);
    pupil_ = std::make_unique<Pupil>(open_backend("cpu", {.threads = 1}), s_, *files_, *text_);
    std::uint64_t seed = 0;
    for (const auto& [name, weight] : pupil_->adapter()->weights())
      if (!name.ends_with("magnitude_vector"))
        pupil_->backend().copy_from_host(
            weight.value,
            test::random_values(weight.value.shape.elements(), ++seed, -0.2f, 0.2f).data());
    export_trained(s_, *pupil_, *text_, packs_, s_.output);
  }
  Verification look() { return verify_export(s_, *pupil_, *text_, packs_, s_.output); }
  double verify() { return look().divergence; }

  // The file again, with other metadata or numbers.
  void edit_gguf(const char* name, const std::function<void(GgufMetadata&)>& metadata,
                 const std::function<void(const std::string&, Values&)>& numbers) {
    const fs::path path = fs::path(s_.output) / name;
    const std::string bytes = read_file(path);
    const GgufFile gguf = GgufFile::parse(as_bytes(bytes), name);
    GgufMetadata all;
    for (const auto& [key, value] : gguf.raw_metadata()) all.emplace_back(key, value);
    metadata(all);
    std::vector<NamedTensor> tensors = gguf.tensors();
    std::vector<Values> values;
    values.reserve(tensors.size());
    for (NamedTensor& t : tensors) {
      Values& v = values.emplace_back(t.tensor.as<float>(),
                                      t.tensor.as<float>() + t.tensor.shape.elements());
      numbers(t.name, v);
      t.tensor.data = v.data();
    }
    const auto out = open_file(path);
    write_gguf(*out, all, tensors);
    out->close();
  }

  test::TempDir dir_;
  const test::RandomLlama llama_{2, kWidth, 96, kVocab};
  FinetuneSettings s_;
  std::unique_ptr<ModelFiles> files_;
  std::unique_ptr<TextOfModel> text_;
  std::unique_ptr<Pupil> pupil_;
  const std::vector<Pack> packs_ = {random_pack(128), random_pack(130)};
};

void as_it_is(GgufMetadata&) {}
void as_they_are(const std::string&, Values&) {}

// Rows in the order of a folder.
void unturned(Values& values) {
  const Values turned = values;
  const std::size_t width = values.size() / kWidth;
  for (std::int64_t n = 0; n < kWidth; ++n)
    std::copy_n(turned.begin() + n * static_cast<std::int64_t>(width), width,
                values.begin() + row_in_folder(n, kHeadDim) * static_cast<std::int64_t>(width));
}

TEST_F(Verify, EveryKindOfExportIsAsItWasTrained) {
  for (const char* kind : {"adapter", "gguf-adapter", "merged", "gguf"}) {
    SCOPED_TRACE(kind);
    fs::remove_all(dir_ / "out");
    fs::create_directory(dir_ / "out");
    teach(kind);
    EXPECT_LE(verify(), 1e-6);
    if (std::string(kind) == "gguf-adapter") continue;
    fs::remove_all(dir_ / "out");
    fs::create_directory(dir_ / "out");
    teach(kind, "dora");
    EXPECT_LE(verify(), 1e-6);
  }
}

TEST_F(Verify, AFlagOfBosThatWasFlippedIsFound) {
  teach("gguf");
  edit_gguf(kModelFile, as_it_is, as_they_are);
  verify();  // edited, but the same
  edit_gguf(
      kModelFile,
      [](GgufMetadata& all) {
        for (auto& [key, value] : all)
          if (key == "tokenizer.ggml.add_bos_token") value = false;
      },
      as_they_are);
  EXPECT_FAILS(ErrorKind::model, "makes other tokens of a text than its base", verify());
}

TEST_F(Verify, AChatTemplateThatWasDroppedIsFound) {
  teach("gguf");
  edit_gguf(
      kModelFile,
      [](GgufMetadata& all) {
        std::erase_if(all, [](const auto& e) { return e.first == "tokenizer.chat_template"; });
      },
      as_they_are);
  EXPECT_FAILS(ErrorKind::model, "has another chat template than its base", verify());
  s_.export_kind = "merged";
  fs::remove(fs::path(s_.output) / kModelFile);
  export_trained(s_, *pupil_, *text_, packs_, s_.output);
  test::write_bytes(fs::path(s_.output) / "tokenizer_config.json",
                    R"({"bos_token":"<bos>","eos_token":"<|im_end|>","add_bos_token":true})");
  EXPECT_FAILS(ErrorKind::model, "has another chat template than its base", verify());
}

TEST_F(Verify, RowsOfQThatAreNotInPairsAreFound) {
  teach("gguf");
  const auto turn = [](const char* wanted) {
    return [wanted](const std::string& name, Values& values) {
      if (name == wanted) unturned(values);
    };
  };
  edit_gguf(kModelFile, as_it_is, turn("blk.1.attn_q.weight"));
  EXPECT_FAILS(ErrorKind::model, "differs from the model in memory by", verify());
  s_.export_kind = "gguf-adapter";
  export_trained(s_, *pupil_, *text_, packs_, s_.output);
  edit_gguf(Adapter::kFile, as_it_is, turn("blk.1.attn_q.weight.lora_b"));
  EXPECT_FAILS(ErrorKind::model, "differs from the model in memory by", verify());
}

TEST_F(Verify, AMergeIntoThePackedBaseIsFound) {
  s_.quantize_base = "q4_0";
  teach("merged");
  EXPECT_LE(verify(), 1e-6);
  const fs::path path = fs::path(s_.output) / "model.safetensors";
  const std::string bytes = read_file(path);
  const SafetensorsFile merged = parse_safetensors(as_bytes(bytes), "model.safetensors");
  // The same delta beside numbers of 4 bits.
  test::RandomLlama plain = llama_, packed = llama_.rounded(DType::q4_0);
  for (const NamedTensor& t : merged.tensors) {
    Values& to = packed.weights().at(t.name).values;
    const Values& from = plain.weights().at(t.name).values;
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += t.tensor.as<float>()[i] - from[i];
  }
  packed.write(s_.output);
  EXPECT_FAILS(ErrorKind::model, "differs from the model in memory by", verify());
}

TEST_F(Verify, WhatRoundingCostsIsNoFaultAndHidesNone) {
  teach("gguf", "lora", "q4_0");
  EXPECT_GT(look().divergence, 0.05);
  EXPECT_TRUE(look().rounding);
  const fs::path path = fs::path(s_.output) / kModelFile;
  std::string bytes = read_file(path);
  const GgufFile gguf = GgufFile::parse(as_bytes(bytes), kModelFile);
  for (const NamedTensor& t : gguf.tensors())
    if (t.name == "blk.1.attn_v.weight")
      std::fill_n(bytes.data() + (t.tensor.as<char>() - bytes.data()), t.tensor.bytes() / 4, '\0');
  test::write_bytes(path, bytes);
  EXPECT_FAILS(ErrorKind::model, "differs from the model in memory by", verify());
}

// A row of blocks in the file is what the network read of that row while it was taught.
void expect_as_read(const ModelFiles& file, const Pupil& pupil) {
  std::map<std::string, std::string> folder_name;
  for (const TensorName& name : tensor_names(2))
    folder_name[std::string(name.gguf)] = name.hugging_face;
  int compared = 0;
  for (const NamedTensor& t : file.tensors()) {
    if (!is_quantized(t.tensor.dtype)) continue;
    SCOPED_TRACE(t.name);
    Values written(static_cast<std::size_t>(t.tensor.shape.elements())), read(written.size());
    unpack(written, t.tensor.data, t.tensor.dtype);
    for (const auto& [name, weight] : pupil.trained().params.taken())
      if (name == folder_name.at(t.name))
        pupil.trained().backend.copy_to_host(read.data(), pupil.rounded()->of(weight.value));
    if (t.name.find("attn_q") != std::string::npos || t.name.find("attn_k") != std::string::npos) {
      const Values rows = read;
      const std::int64_t width = t.tensor.cols();
      for (std::int64_t n = 0; n < t.tensor.rows(); ++n)
        std::copy_n(rows.begin() + row_in_folder(n, kHeadDim) * width, width,
                    read.begin() + n * width);
    }
    EXPECT_EQ(written, read);
    ++compared;
  }
  EXPECT_GE(compared, 14);
}

TEST_F(Verify, WhatIsTaughtThroughBlocksIsWrittenBitForBit) {
  std::map<std::string, double> exact;  // loss by method, of products in f32
  for (const auto& [method, precision] :
       {std::pair{"full", "fp32"}, {"lora", "fp32"}, {"full", "bf16"}, {"lora", "bf16"}}) {
    SCOPED_TRACE(fmt::format("{} {}", method, precision));
    fs::remove_all(dir_ / "out");
    fs::create_directory(dir_ / "out");
    s_.model = (dir_ / "base").string();
    s_.output = (dir_ / "out").string();
    s_.method = method;
    s_.precision = precision;
    s_.qat = s_.export_type = "q4_0";
    s_.threads = 1;
    s_.rate = 0.01;
    files_ = std::make_unique<ModelFiles>(ModelFiles::open(s_.model));
    text_ = std::make_unique<TextOfModel>(*files_, test::kShare);
    pupil_ = std::make_unique<Pupil>(open_backend("cpu", {.threads = 1}), s_, *files_, *text_);
    std::vector<TrainingSample> samples(1);
    samples[0].ids = random_pack(60).ids;
    samples[0].trained.assign(60, 1);
    samples[0].trained[0] = 0;
    const Packer packer(samples, 64, true, 0);
    TrainOptions options{.batch = 1, .precision = s_.product_type()};
    options.optimizer.rate = 0.01;
    options.schedule.steps = 20;
    Trainer trainer(pupil_->backend(), pupil_->learner(), packer, options);
    const double before = trainer.evaluate(packer, 1);
    const bool first = exact.try_emplace(method, before).second;
    EXPECT_NEAR(before, exact[method], 0x1p-6 * before);
    EXPECT_EQ(before == exact[method], first);
    for (int i = 0; i < 20; ++i) trainer.step();
    EXPECT_LT(trainer.evaluate(packer, 1), 0.8 * before);  // as the blocks have it
    export_trained(s_, *pupil_, *text_, packs_, s_.output);
    expect_as_read(ModelFiles::open(dir_ / "out" / kModelFile), *pupil_);
  }
}

}  // namespace
}  // namespace r1
