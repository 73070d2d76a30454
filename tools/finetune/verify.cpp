#include "tools/finetune/verify.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>

#include "lib/base/error.h"
#include "lib/models/decoder_config.h"
#include "tools/common/models.h"
#include "tools/finetune/blocks.h"
#include "tools/finetune/export.h"
#include "tools/finetune/unfinished.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

// Nats, where weights are the same, and what they multiply is rounded.
constexpr double kMostOfProducts = 2e-3;

// Nats that rounding to a type usually costs at most.
double most_divergence(const std::string& kind, const std::string& type, bool rounded) {
  if (rounded) return kMostOfProducts;
  if (exports_adapter(kind) || (kind == "gguf" && type == "f32")) return 1e-6;
  if (kind == "merged" || type == "bf16" || type == "f16") return 1e-3;
  return type == "q8_0" ? 2e-3 : 5e-2;
}

constexpr const char* kSome = "def f(x):\n    return x + 1  # h\u00e9llo\n";

// A conversation with its markers; nothing where the vocabulary lacks them.
std::vector<TokenId> chat_ids(const ChatTemplate& chat, const Tokenizer& tokenizer) {
  const std::vector<ChatMessage> asked = {{"system", "Be brief."}, {"user", kSome}};
  try {
    return encode_parts(tokenizer, chat.render_with_answer(asked, "1"), false);
  } catch (const Error&) {
    return {};
  }
}

// What a text and a conversation become.
std::vector<TokenId> some_ids(const TextOfModel& text) {
  const Tokenizer& tokenizer = text.tokenizer();
  std::vector<TokenId> ids = encode_parts(tokenizer, {{kSome}}, tokenizer.add_bos());
  const ChatTemplate* chat = text.forms().chat_template;
  if (chat == nullptr) return ids;
  const std::vector<TokenId> more = chat_ids(*chat, tokenizer);
  ids.insert(ids.end(), more.begin(), more.end());
  return ids;
}

// Does a model read and write its text as its base does? Fails with `model`.
void check_text(const ModelFiles& files, const TextOfModel& text) {
  const TextOfModel same(files, data_folder());
  const std::string name = escaped(files.path().string());
  if (same.template_source() != text.template_source())
    fail(ErrorKind::model, "{} has another chat template than its base", name);
  if (same.tokenizer().size() < text.tokenizer().size() ||  // more: rows that no text has
      same.tokenizer().eos() != text.tokenizer().eos() || some_ids(same) != some_ids(text))
    fail(ErrorKind::model, "{} makes other tokens of a text than its base", name);
}

using Logits = std::function<std::vector<float>(const Pack&)>;  // [R, V], as logits_of

// The mean over all packs of what `have` differs from `want`.
double divergence(const Logits& want, const Logits& have, std::int64_t vocab,
                  const std::vector<Pack>& packs) {
  double sum = 0, rows = 0;
  for (const Pack& pack : packs) {
    stop_export_when_interrupted();
    const std::vector<float> right = want(pack);
    const double here = static_cast<double>(right.size()) / static_cast<double>(vocab);
    sum += mean_divergence(right, have(pack), vocab) * here;
    rows += here;
  }
  return sum / std::max(1.0, rows);
}

// A model in memory that has nothing to do with the pupil's but its text: of files, and what stands
// beside them.
class Other {
 public:
  Other(const ModelFiles& files, const TrainedModel& trained, const TextOfModel& text)
      : backend_(trained.backend),
        newline_(text.newline()),
        params_(backend_, files, {.compute = DType::f32}),
        network_(load_network(files, params_)) {}
  void read_adapter(const ModelFiles& files, const fs::path& folder) {
    adapter_ = Adapter::read(backend_, params_, files, folder);
  }
  std::vector<float> operator()(const Pack& pack) const {
    return logits_of(backend_, *network_, adapter_ ? &adapter_->matrices() : nullptr, newline_,
                     pack);
  }

 private:
  Backend& backend_;
  std::vector<std::uint8_t> newline_;
  Params params_;
  std::unique_ptr<Network> network_;
  std::optional<Adapter> adapter_;
};

double divergence_of_adapter(const fs::path& written, const Pupil& pupil, const TextOfModel& text,
                             const std::vector<Pack>& packs) {
  const TrainedModel t = pupil.trained();
  const Adapter adapter = Adapter::read(t.backend, t.params, t.base, written);
  if (adapter.chat_template() != t.chat_template)
    fail(ErrorKind::model, "{} has another chat template", escaped(written.string()));
  const Logits have = [&](const Pack& pack) {
    return logits_of(t.backend, pupil.network(), &adapter.matrices(), text.newline(), pack);
  };
  return divergence([&](const Pack& pack) { return pupil.logits(pack); }, have,
                    pupil.network().shape().vocab, packs);
}

// The types that a folder's weights are written in, where they are rounded.
RoundedWeights::Types plain_types(const ModelFiles& base) {
  RoundedWeights::Types types;
  for (const NamedTensor& t : base.tensors())
    if (t.tensor.dtype == DType::f16 || t.tensor.dtype == DType::bf16)
      types[t.name] = t.tensor.dtype;
  return types;
}

// Held against the model in memory as if that was rounded to the same types.
double beside_rounded(const Logits& have, const Pupil& pupil, const TextOfModel& text,
                      const std::vector<Pack>& packs, const FinetuneSettings& s) {
  const TrainedModel trained = pupil.trained();
  const RoundedWeights rounded(trained,
                               export_kind(s, trained.base) == "gguf" ? block_types(s, trained.base)
                                                                      : plain_types(trained.base),
                               round_to_blocks, static_cast<int>(s.threads));
  const LowRanks* adapters = pupil.adapter() ? &pupil.adapter()->matrices() : nullptr;
  const Logits want = [&](const Pack& pack) {
    return logits_of(trained.backend, pupil.network(), adapters, text.newline(), pack, &rounded);
  };
  return divergence(want, have, pupil.network().shape().vocab, packs);
}

// Is what was merged held against the base with the adapter, and not against the model in memory?
bool opens_base_too(const FinetuneSettings& s) {
  return !s.quantize_base.empty() || s.load_options().compute != DType::f32;
}

double divergence_of_model(const Other& have, const Pupil& pupil, const TextOfModel& text,
                           const std::vector<Pack>& packs, const FinetuneSettings& s,
                           const fs::path& folder) {
  const TrainedModel trained = pupil.trained();
  const std::int64_t vocab = pupil.network().shape().vocab;
  if (!opens_base_too(s))
    return divergence([&](const Pack& pack) { return pupil.logits(pack); }, std::cref(have), vocab,
                      packs);
  // What was merged was merged into the base's own numbers, and nothing is rounded on the way into
  // products: so it is with what it is held against.
  Other want(trained.base, trained, text);
  const Unfinished beside(folder);
  pupil.adapter()->write(beside.path(), s.model);
  want.read_adapter(trained.base, beside.path());
  return divergence(std::cref(want), std::cref(have), vocab, packs);
}

}  // namespace

Verification verify_export(const FinetuneSettings& s, const Pupil& pupil, const TextOfModel& text,
                           const std::vector<Pack>& packs, const fs::path& folder) {
  const std::string kind = export_kind(s, pupil.trained().base);
  const double most = most_divergence(kind, s.export_type, !s.qat.empty());
  const auto refuse = [&](double found, double right) {
    fail(ErrorKind::model,
         "what was written for {} differs from the model in memory by {:.3g} nats a token; at "
         "most {:.3g} are right (--resume --no-verify writes it all the same)",
         escaped(s.output), found, right);
  };
  if (exports_adapter(kind)) {
    const double found = divergence_of_adapter(kind == "adapter" ? folder : folder / Adapter::kFile,
                                               pupil, text, packs);
    if (!(found <= most)) refuse(found, most);
    return {found};
  }
  const ModelFiles files = ModelFiles::open(kind == "gguf" ? folder / kModelFile : folder);
  check_text(files, text);
  const Other have(files, pupil.trained(), text);
  const double found = divergence_of_model(have, pupil, text, packs, s, folder);
  if (found <= most) return {found};
  if (!s.qat.empty()) refuse(found, most);
  if (const double left = beside_rounded(std::cref(have), pupil, text, packs, s);
      !(left <= kMostOfProducts))
    refuse(left, kMostOfProducts);
  return {found, true};
}

// Blocks stay blocks in memory, and all else becomes f32. Logits are there three times: on the
// device, and of both models.
std::uint64_t verification_bytes(const FinetuneSettings& s, const ModelFiles& base) {
  if (s.no_verify) return 0;
  const std::string kind = export_kind(s, base);
  const std::uint64_t logits =
      3 * sizeof(float) * static_cast<std::uint64_t>(read_decoder_config(base).vocab) *
      static_cast<std::uint64_t>(std::min(kMostLogitRows, s.max_seq_length));
  if (exports_adapter(kind)) return logits;
  const auto in_memory = [](Tensor t) {
    if (!is_quantized(t.dtype)) t.dtype = DType::f32;
    return t.bytes();
  };
  std::uint64_t plain = 0, written = 0;
  for (const NamedTensor& t : base.tensors())
    plain += in_memory({nullptr, t.tensor.shape, DType::f32});
  if (kind == "gguf")
    for (const PlannedTensor& t : plan_blocks(s, base).tensors) written += in_memory(t.target());
  return logits + (kind == "gguf" ? written : plain) + (!s.full() && opens_base_too(s) ? plain : 0);
}

}  // namespace r1
