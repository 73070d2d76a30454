#include "tools/finetune/export.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/output.h"
#include "lib/quant/quantize_model.h"
#include "lib/quant/types.h"
#include "tools/common/signals.h"
#include "tools/finetune/blocks.h"
#include "tools/finetune/unfinished.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

// An output that a signal ends.
class Interruptible : public Output {
 public:
  explicit Interruptible(std::unique_ptr<Output> to) : to_(std::move(to)) {}
  void write(std::string_view text) override {
    stop_export_when_interrupted();
    to_->write(text);
  }
  void flush() override { to_->flush(); }
  void close() override { to_->close(); }

 private:
  std::unique_ptr<Output> to_;
};

// A GGUF file of one that is whole, or of a folder.
void pack_gguf(const fs::path& from, const fs::path& to, const FinetuneSettings& s) {
  const ModelFiles files = ModelFiles::open(from);
  const QuantizePlan plan = plan_blocks(s, files);
  ThreadPool pool(static_cast<int>(s.threads));
  Interruptible out(open_file(to));
  SumJournal sums;
  write_quantized(out, files, plan, {}, pool, sums);
  out.close();
}

void write_gguf_of(const FinetuneSettings& s, const TrainedModel& trained, const fs::path& folder) {
  const Unfinished whole(folder);  // all of it in plain numbers
  const bool is_gguf = trained.base.is_gguf();
  const fs::path from = is_gguf ? whole.path() / "whole.gguf" : whole.path();
  if (is_gguf)
    write_trained_gguf(trained, from);
  else
    write_trained_folder(trained, from, DType::f32);
  pack_gguf(from, folder / kModelFile, s);
}

}  // namespace

std::string export_kind(const FinetuneSettings& s, const ModelFiles& base) {
  if (!s.qat.empty()) return "gguf";
  if (s.export_given || !s.full()) return s.export_kind;
  return base.is_gguf() ? "gguf" : "merged";
}

bool exports_adapter(const std::string& kind) {
  return kind == "adapter" || kind == "gguf-adapter";
}

std::string half_type(const ModelFiles& base) {
  const auto is_half = [](const NamedTensor& t) { return t.tensor.dtype == DType::f16; };
  return std::any_of(base.tensors().begin(), base.tensors().end(), is_half) ? "f16" : "bf16";
}

void check_export(const FinetuneSettings& s, const ModelFiles& base) {
  const std::string kind = export_kind(s, base);
  const std::string name = escaped(base.path().string());
  if (s.full() && exports_adapter(kind))
    fail(ErrorKind::usage, "--export {} is of --fine-tune-type lora and dora", kind);
  if (s.method == "dora" && kind == "gguf-adapter")
    fail(ErrorKind::usage,
         "a GGUF adapter has no place for what DoRA learns; --export {} writes all of the model",
         base.is_gguf() ? "gguf" : "merged");
  if (kind == "merged" && base.is_gguf())
    fail(ErrorKind::usage, "{} is a GGUF file, of which no folder is made; --export {}", name,
         s.full() || has_plain_weights(base) ? "gguf" : "adapter");
  if (!s.quantize_base.empty() && !has_plain_weights(base))
    fail(ErrorKind::usage, "{} is quantized already; --quantize-base wants 16 or 32 bits", name);
  if (!s.full() && !s.qat.empty() && !has_plain_weights(base))
    fail(ErrorKind::usage,
         "{} is quantized, and --qat beside it wants the model in 16 or 32 bits; --fine-tune-type "
         "full learns all of it",
         name);
  if (!s.full() && !exports_adapter(kind) && !has_plain_weights(base))
    fail(ErrorKind::usage,
         "{} is quantized, and a merge wants the model in 16 or 32 bits; --export adapter", name);
  if (kind == "gguf") want_mix("--export-type", s.export_type);
}

std::uint64_t export_bytes(const FinetuneSettings& s, const ModelFiles& base,
                           std::uint64_t adapter) {
  const std::string kind = export_kind(s, base);
  if (exports_adapter(kind)) return adapter;
  std::uint64_t own = 0, plain = 0;
  for (const NamedTensor& t : base.tensors()) {
    const std::uint64_t in_f32 = Tensor{nullptr, t.tensor.shape, DType::f32}.bytes();
    const bool blocks = is_quantized(t.tensor.dtype) || base.was_quantized(t.tensor);
    own += blocks ? in_f32 : t.tensor.bytes();
    plain += in_f32;
  }
  return kind == "merged" ? own : plain + plan_blocks(s, base).bytes;
}

void stop_export_when_interrupted() { stop_when_interrupted("; --resume exports what was learnt"); }

Verification export_trained(const FinetuneSettings& s, const Pupil& pupil, const TextOfModel& text,
                            const std::vector<Pack>& packs, const fs::path& folder) {
  stop_export_when_interrupted();
  TrainedModel trained = pupil.trained();
  trained.before_tensor = stop_export_when_interrupted;
  const std::string kind = export_kind(s, trained.base);
  if (kind == "adapter") {
    pupil.adapter()->write(folder, s.model);
  } else if (kind == "gguf-adapter") {
    pupil.adapter()->write_gguf(folder / Adapter::kFile, trained.base);
  } else if (kind == "merged") {
    write_trained_folder(trained, folder);
  } else {
    write_gguf_of(s, trained, folder);
  }
  return s.no_verify ? Verification() : verify_export(s, pupil, text, packs, folder);
}

}  // namespace r1
