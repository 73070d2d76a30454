#include "tools/finetune/export.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/output.h"
#include "lib/quant/quantize_model.h"
#include "lib/quant/types.h"
#include "tools/common/models.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModel = "model.gguf";

std::string kind_of(const FinetuneSettings& s, const ModelFiles& base) {
  if (s.export_given || s.method == "lora") return s.export_kind;
  return base.is_gguf() ? "gguf" : "merged";
}

// Nats that rounding to a type may cost.
double most_divergence(const std::string& kind, const std::string& type) {
  if (kind == "adapter" || (kind == "gguf" && type == "f32")) return 1e-6;
  if (kind == "merged" || type == "bf16" || type == "f16") return 1e-3;
  return type == "q8_0" ? 2e-3 : 5e-2;
}

// A folder inside the output for files that have not yet their names: gone afterwards, with all
// that `finish` has not moved up.
class Unfinished {
 public:
  explicit Unfinished(const fs::path& output) : output_(output), path_(output / "export.partial") {
    clear();
    std::error_code error;
    fs::create_directories(path_, error);
    if (error) fail(ErrorKind::write, "{}: {}", escaped(path_.string()), error.message());
  }
  ~Unfinished() { clear(); }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

  const fs::path& path() const { return path_; }
  void finish() {
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(path_, error)) {
      fs::rename(entry.path(), output_ / entry.path().filename(), error);
      if (error) fail(ErrorKind::write, "{}: {}", escaped(output_.string()), error.message());
    }
  }

 private:
  void clear() const {
    std::error_code none;
    for (const fs::directory_entry& entry : fs::directory_iterator(path_, none))
      fs::remove(entry.path(), none);
    fs::remove(path_, none);
  }
  fs::path output_, path_;
};

// A GGUF file of one that is whole, or of a folder.
void pack_gguf(const fs::path& from, const fs::path& to, const FinetuneSettings& s) {
  const ModelFiles files = ModelFiles::open(from);
  TypeChoice choice{.mix = &mix_named(s.export_type),
                    .pure = false,
                    .calibrated = false,
                    .rules = {},
                    .keep = {},
                    .head = {},
                    .embedding = {}};
  const QuantizePlan plan = plan_quantization(files, choice, true, data_folder());
  ThreadPool pool(static_cast<int>(s.threads));
  const auto out = open_file(to);
  SumJournal sums;
  write_quantized(*out, files, plan, {}, pool, sums);
  out->close();
}

void write_gguf_of(const FinetuneSettings& s, const Pupil& pupil, const ModelFiles& base,
                   const fs::path& folder) {
  const Unfinished whole(folder);  // all of it in plain numbers
  const fs::path from = base.is_gguf() ? whole.path() / "whole.gguf" : whole.path();
  if (base.is_gguf())
    write_trained_gguf(pupil.trained(), from);
  else
    write_trained_folder(pupil.trained(), from);
  pack_gguf(from, folder / kModel, s);
}

// The mean over all packs of what the new files differ from the model in memory.
double divergence(const Pupil& pupil, Backend& backend, const Network& network,
                  const LowRanks* adapters, const std::vector<std::uint8_t>& newline,
                  const std::vector<Pack>& packs) {
  double sum = 0;
  std::int64_t rows = 0;
  for (const Pack& pack : packs) {
    const std::vector<float> want = pupil.logits(pack);
    const std::vector<float> have = logits_of(backend, network, adapters, newline, pack);
    sum += mean_divergence(want, have, network.shape().vocab) * static_cast<double>(pack.rows());
    rows += pack.rows();
  }
  return sum / static_cast<double>(std::max<std::int64_t>(1, rows));
}

double divergence_of(const fs::path& written, const std::string& kind, const Pupil& pupil,
                     const TextOfModel& text, const std::vector<Pack>& packs) {
  const TrainedModel trained = pupil.trained();
  if (kind == "adapter") {
    const Adapter adapter = Adapter::read(trained.backend, trained.params, trained.base, written);
    return divergence(pupil, trained.backend, pupil.network(), &adapter.matrices(), text.newline(),
                      packs);
  }
  const ModelFiles files = ModelFiles::open(kind == "gguf" ? written / kModel : written);
  const TextOfModel same(files, data_folder());
  if (same.tokenizer().size() != text.tokenizer().size() ||
      same.tokenizer().bos() != text.tokenizer().bos() ||
      same.tokenizer().eos() != text.tokenizer().eos() ||
      same.tokenizer().add_bos() != text.tokenizer().add_bos())
    fail(ErrorKind::model, "{} has another vocabulary than its base", escaped(written.string()));
  Params params(trained.backend, files, {.compute = DType::f32});
  const auto network = load_network(files, params);
  return divergence(pupil, trained.backend, *network, nullptr, text.newline(), packs);
}

}  // namespace

void check_export(const FinetuneSettings& s, const ModelFiles& base) {
  const std::string kind = kind_of(s, base);
  const std::string name = escaped(base.path().string());
  if (s.method == "full" && kind == "adapter")
    fail(ErrorKind::usage, "--export adapter is of --fine-tune-type lora");
  if (kind == "merged" && base.is_gguf())
    fail(ErrorKind::usage, "{} is a GGUF file, of which no folder is made; --export gguf", name);
  if (s.method == "lora" && kind != "adapter" && !has_plain_weights(base))
    fail(ErrorKind::usage,
         "{} is quantized, and a merge wants the model in 16 or 32 bits; --export adapter", name);
  if (kind == "gguf") mix_named(s.export_type);  // fails for what is none
}

double export_trained(const FinetuneSettings& s, const Pupil& pupil, const TextOfModel& text,
                      const std::vector<Pack>& packs) {
  const TrainedModel trained = pupil.trained();
  const std::string kind = kind_of(s, trained.base);
  Unfinished folder(s.output);
  if (kind == "adapter") {
    pupil.adapter()->write(folder.path(), s.model);
  } else if (kind == "merged") {
    write_trained_folder(trained, folder.path());
  } else {
    write_gguf_of(s, pupil, trained.base, folder.path());
  }
  double found = 0;
  if (!s.no_verify) {
    found = divergence_of(folder.path(), kind, pupil, text, packs);
    const double most = most_divergence(kind, s.export_type);
    if (!(found <= most))
      fail(ErrorKind::model,
           "what was written for {} differs from the model in memory by {:.3g} nats a token; at "
           "most {:.3g} are right",
           escaped(s.output), found, most);
  }
  folder.finish();
  return found;
}

}  // namespace r1
