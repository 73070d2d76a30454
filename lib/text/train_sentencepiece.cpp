#include "lib/text/train_sentencepiece.h"

#include <unordered_map>

#include <sentencepiece_trainer.h>

#include "lib/base/error.h"

namespace r1 {
namespace {

class Lines : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(std::vector<std::string> lines) : lines_(std::move(lines)) {}

  bool done() const override { return at_ == lines_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return lines_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::vector<std::string> lines_;
  std::size_t at_ = 0;
};

}  // namespace

std::string train_sentencepiece(std::vector<std::string> lines, std::int64_t vocab) {
  const std::unordered_map<std::string, std::string> settings = {
      {"model_type", "bpe"},
      {"vocab_size", std::to_string(vocab)},
      {"hard_vocab_limit", "false"},
      {"byte_fallback", "true"},
      {"character_coverage", "0.9999"},
      {"normalization_rule_name", "identity"},
      {"remove_extra_whitespaces", "false"},
      {"add_dummy_prefix", "false"},
      {"allow_whitespace_only_pieces", "true"},
      {"split_digits", "true"},
      {"max_sentencepiece_length", "24"},
      {"max_sentence_length", std::to_string(kLongestLine)},
      {"unk_id", "0"},
      {"bos_id", "1"},
      {"eos_id", "2"},
      {"pad_id", "-1"},
      {"control_symbols",
       "<|fim_prefix|>,<|fim_suffix|>,<|fim_middle|>,<|file_sep|>,<|repo_name|>"},
      {"num_threads", "1"},
      {"input_sentence_size", "0"},
      {"shuffle_input_sentence", "false"},
      {"minloglevel", "3"}};
  Lines iterator(std::move(lines));
  std::string proto;
  const auto status = sentencepiece::SentencePieceTrainer::Train(settings, &iterator, &proto);
  if (!status.ok()) {
    std::string why = status.ToString();  // behind where in the library it was found
    if (const std::size_t at = why.rfind("] "); at != std::string::npos) why.erase(0, at + 2);
    if (const std::size_t at = why.find("required_chars. "); at != std::string::npos)
      if (const std::size_t least = why.find(" vs ", at); least != std::string::npos)
        why =
            "its characters alone take " + why.substr(least + 4, why.find('.', least) - least - 4);
    fail(ErrorKind::usage, "no vocabulary of {} tokens is made of this text: {}", vocab,
         why.empty() ? "no line of it can be used" : escaped(why));
  }
  return proto;
}

}  // namespace r1
