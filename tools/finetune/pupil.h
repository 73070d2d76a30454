#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/models/adapter.h"
#include "lib/models/network.h"
#include "lib/text/tokenizer.h"
#include "lib/train/dataset.h"
#include "lib/train/export.h"
#include "lib/train/trainer.h"
#include "tools/finetune/settings.h"

namespace r1 {

// What a model's files say of its text, before its weights are loaded.
class TextOfModel {
 public:
  // `chat_template`: a file of one, in place of the model's. Fails with `usage` where it is of no
  // known form, or of markers that the model has not.
  TextOfModel(const ModelFiles& files, const std::filesystem::path& data_dir,
              const std::string& chat_template = {});

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  TextForms forms() const;
  const std::string& template_source() const { return template_; }              // empty: none
  std::string replaced_template() const { return replaced_ ? template_ : ""; }  // likewise
  std::vector<std::uint8_t> newline() const;                                    // by token id

 private:
  std::unique_ptr<Tokenizer> tokenizer_;
  std::optional<FimForm> fim_;
  std::string template_;
  bool replaced_;
  std::optional<ChatTemplate> chat_template_;
};

// The model in memory while it is taught.
class Pupil {
 public:
  Pupil(std::unique_ptr<Backend> backend, const FinetuneSettings& settings, const ModelFiles& files,
        const TextOfModel& text);

  Backend& backend() { return *backend_; }
  const Network& network() const { return *network_; }
  const Adapter* adapter() const { return adapter_ ? &*adapter_ : nullptr; }
  Learner learner() const;
  const RoundedWeights* rounded() const { return rounded_.get(); }  // of --qat
  TrainedModel trained() const {
    return {*backend_, files_, *params_, adapter(), replaced_template_};
  }
  std::int64_t learnt() const;   // numbers
  std::int64_t weights() const;  // in all, of the base
  bool keeps_16_bits() const;    // some of the base's matrices
  bool keeps_blocks() const;     // most of them, by numbers
  // Logits [rows, V] of a pack; with --qat of the weights as they will be written.
  std::vector<float> logits(const Pack& pack) const;

 private:
  const ModelFiles& files_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Params> params_;
  std::unique_ptr<Network> network_;
  std::optional<Adapter> adapter_, reference_;  // reference_: as it was, of --objective dpo
  std::vector<std::uint8_t> newline_;
  std::string replaced_template_;
  std::unique_ptr<RoundedWeights> rounded_;  // of --qat
};

// Logits [R, V] by any network, in f32, of some rows of a pack, evenly spread: all of a large
// vocabulary's would not fit.
constexpr std::int64_t kMostLogitRows = 128;
std::vector<float> logits_of(Backend& backend, const Network& network, const LowRanks* adapters,
                             const std::vector<std::uint8_t>& newline, const Pack& pack,
                             const RoundedWeights* rounded = nullptr);

}  // namespace r1
