#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/json.h"
#include "lib/text/chat_template.h"
#include "lib/text/fim.h"
#include "lib/text/tokenizer.h"

namespace r1 {

// One document to learn from: its tokens, and which of them count in the loss (1) where they are
// predicted from those before them. As long as each other; the first token never counts.
struct TrainingSample {
  std::vector<TokenId> ids;
  std::vector<std::uint8_t> trained;
  // Over 0: two documents, and from here on one that is liked less than that before it.
  std::size_t rejected = 0;
};

// What becomes of a sample that is longer than `max_length` tokens: it is left out, loses its end,
// or (plain text alone) goes on in samples of its own.
enum class TooLong { drop, cut, split };

struct DatasetOptions {
  std::int64_t max_length = 2048;          // tokens of a sample at most; at least 2
  TooLong too_long = TooLong::drop;        // a text around a gap loses its far ends when cut
  TooLong too_long_text = TooLong::split;  // of plain text
  bool mask_prompt = true;                 // prompts and questions are not learnt
  bool pairs = false;                      // of answers, one liked better, and nothing else
  double fim_rate = 0;     // share of plain texts (pieces of split ones) that get a gap
  std::uint64_t seed = 0;  // of where those are cut
  int threads = 1;         // as ThreadPool's; they change nothing else
  std::function<void()> before_lines = {};  // some hundred; may throw, to end it
};

// What text is made of, of one model.
struct TextForms {
  const Tokenizer& tokenizer;
  const FimForm* fim = nullptr;                 // none: the vocabulary has no such markers
  const ChatTemplate* chat_template = nullptr;  // none: `messages` cannot be rendered
};

struct Dataset {
  std::vector<TrainingSample> samples;             // in the order of the files
  std::int64_t lines = 0;                          // documents read
  std::int64_t texts = 0;                          // plain ones among them
  std::int64_t too_long = 0, nothing_trained = 0;  // left out
  std::int64_t tokens = 0, trained = 0;            // in `samples`
};

// Reads all of the files: of samples, one object a line (holds_samples), or each a text.
// A line is of the first shape whose keys it has; other keys do not count, nor do blank lines.
//   messages: [{role, content}]   the answers and what ends them are trained
//   prefix, suffix, middle        the middle and what ends it
//   prompt, completion            the completion and EOS
//   prompt, chosen, rejected      with `pairs`: both answers and EOS; too long is always left out
//   text                          everything; a share of them with a gap to fill in
// Fails with `usage` and "FILE:LINE: why" for a line that is none of these, or of another shape
// than the first of its file, or that the model's forms cannot write, and where no sample is left.
// Fails with `model` where the vocabulary lacks a token of its own forms.
Dataset read_dataset(const std::vector<std::filesystem::path>& files, const TextForms& forms,
                     const DatasetOptions& options);
// The texts in a line of samples, of the shape that it has. Fails with `usage` as above.
std::vector<std::string> texts_of(const Json& line);
// Adds the samples of the lines of one file; `name` is what errors call it.
void read_lines(Dataset& dataset, std::string_view lines, const std::string& name,
                const TextForms& forms, const DatasetOptions& options);

// Takes samples out of the dataset that are to be measured, not learnt: this share of them, at
// least one, by chance of `seed`; both keep the order of the files. Fails with `usage` where
// nothing would be left to learn.
Dataset hold_out(Dataset& dataset, double share, std::uint64_t seed);

// A sample as text, for people: what is not trained stands in ⟦ ⟧, markers by their names, and
// nothing drives a terminal.
std::string render_sample(const TrainingSample& sample, const Tokenizer& tokenizer);

}  // namespace r1
