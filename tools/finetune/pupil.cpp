#include "tools/finetune/pupil.h"

#include <algorithm>

#include "lib/base/error.h"
#include "tools/common/inputs.h"
#include "tools/finetune/blocks.h"

namespace r1 {
namespace {

constexpr std::size_t kMostOfTemplate = std::size_t{1} << 20;
const std::vector<ChatMessage> kAsked = {{"system", "s"}, {"user", "u"}};

std::int64_t numbers_in(const NamedVars& weights) {
  std::int64_t numbers = 0;
  for (const auto& [name, weight] : weights) numbers += weight.value.shape.elements();
  return numbers;
}

// At most kMostLogitRows of n rows, each behind as many as the others are.
std::vector<std::int32_t> spread_rows(std::int64_t n) {
  const std::int64_t each = (n + kMostLogitRows - 1) / kMostLogitRows;
  std::vector<std::int32_t> rows;
  for (std::int64_t r = each - 1; r < n; r += each) rows.push_back(static_cast<std::int32_t>(r));
  return rows;
}

}  // namespace

TextOfModel::TextOfModel(const ModelFiles& files, const std::filesystem::path& data_dir,
                         const std::string& chat_template)
    : tokenizer_(load_tokenizer(files, data_dir)),
      fim_(FimForm::find(*tokenizer_)),
      template_(chat_template.empty() ? read_chat_template(files)
                                      : named_file(chat_template, kMostOfTemplate)),
      replaced_(!chat_template.empty()) {
  if (template_.empty() && !replaced_) return;
  try {
    chat_template_ = ChatTemplate::recognise(template_);
    if (replaced_) encode_parts(*tokenizer_, chat_template_->render_with_answer(kAsked, ""), false);
  } catch (const Error& e) {  // only conversations want the model's, and say so
    if (replaced_) fail(ErrorKind::usage, "{}: {}", escaped(chat_template), e.what());
  }
}

TextForms TextOfModel::forms() const {
  return {*tokenizer_, fim_ ? &*fim_ : nullptr, chat_template_ ? &*chat_template_ : nullptr};
}

std::vector<std::uint8_t> TextOfModel::newline() const {
  std::vector<std::uint8_t> newline;
  newline.reserve(static_cast<std::size_t>(tokenizer_->size()));
  for (TokenId id = 0; id < tokenizer_->size(); ++id)
    newline.push_back(tokenizer_->bytes(id).find('\n') != std::string_view::npos);
  return newline;
}

Pupil::Pupil(std::unique_ptr<Backend> backend, const FinetuneSettings& s, const ModelFiles& files,
             const TextOfModel& text)
    : files_(files),
      backend_(std::move(backend)),
      newline_(text.newline()),
      replaced_template_(text.replaced_template()) {
  params_ = std::make_unique<Params>(*backend_, files_, s.load_options());
  network_ = load_network(files_, *params_);
  if (text.tokenizer().size() > network_->shape().vocab)
    fail(ErrorKind::model, "{}: the tokenizer has {} tokens, and the embedding {} rows",
         escaped(files_.path().string()), text.tokenizer().size(), network_->shape().vocab);
  if (!s.adapter.empty())
    adapter_ = Adapter::read(*backend_, *params_, files_, s.adapter, true);
  else if (!s.full())
    adapter_ = Adapter::fresh(*backend_, *params_, files_,
                              {.rank = s.rank,
                               .alpha = s.alpha,
                               .rank_stabilized = s.rslora,
                               .dora = s.method == "dora",
                               .dropout = s.dropout,
                               .modules = s.modules,
                               .seed = static_cast<std::uint64_t>(s.seed)});
  if (!s.adapter.empty() && s.dpo())
    reference_ = Adapter::read(*backend_, *params_, files_, s.adapter);
  if (adapter_) {
    adapter_->set_dropout(s.dropout);
    adapter_->set_chat_template(replaced_template_);
  }
  if (!s.qat.empty())
    rounded_ = std::make_unique<RoundedWeights>(trained(), block_types(s, files_), round_to_blocks,
                                                static_cast<int>(s.threads));
}

Learner Pupil::learner() const {
  return {*network_,
          adapter_ ? adapter_->weights() : params_->taken(),
          adapter_ ? &adapter_->matrices() : nullptr,
          &newline_,
          rounded_.get(),
          reference_ ? &reference_->matrices() : nullptr};
}

std::int64_t Pupil::learnt() const { return numbers_in(learner().weights); }
std::int64_t Pupil::weights() const { return numbers_in(params_->taken()); }

bool Pupil::keeps_16_bits() const {
  const NamedVars& all = params_->taken();
  return std::any_of(all.begin(), all.end(), [](const auto& named) {
    const DType dtype = named.second.value.dtype;
    return dtype == DType::bf16 || dtype == DType::f16;
  });
}

bool Pupil::keeps_blocks() const {
  NamedVars blocks = params_->taken();
  std::erase_if(blocks, [](const auto& named) { return !is_quantized(named.second.value.dtype); });
  return 2 * numbers_in(blocks) > weights();
}

std::vector<float> Pupil::logits(const Pack& pack) const {
  if (rounded_ != nullptr) rounded_->refresh();
  return logits_of(*backend_, *network_, adapter_ ? &adapter_->matrices() : nullptr, newline_, pack,
                   rounded_.get());
}

std::vector<float> logits_of(Backend& backend, const Network& network, const LowRanks* adapters,
                             const std::vector<std::uint8_t>& newline, const Pack& pack,
                             const RoundedWeights* rounded) {
  Arena arena(backend);
  Graph g(backend, arena);
  if (rounded != nullptr) g.replace_weights(rounded->replacement());
  if (adapters != nullptr) g.adapt_weights(adapters);
  Rows rows = network_rows(g, network, newline, pack);
  rows.wanted = g.integers(spread_rows(pack.rows()));
  const Tensor y = network.forward(g, rows).value;
  std::vector<float> logits(static_cast<std::size_t>(y.shape.elements()));
  backend.copy_to_host(logits.data(), y);
  return logits;
}

}  // namespace r1
