#include "lib/train/dataset.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <exception>
#include <iterator>
#include <span>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/lines.h"
#include "lib/base/parallel.h"
#include "lib/train/data_file.h"
#include "lib/train/encode_sample.h"
#include "lib/train/permutation.h"

namespace r1 {
namespace {

constexpr std::uint64_t kHeldOut = ~0ull;  // no epoch of a run: that of what is measured

enum class Shape { image, preference, messages, fill_in, completion, text };
struct ShapeKeys {
  Shape shape;
  std::array<std::string_view, 3> keys;  // empty: fewer
};
constexpr ShapeKeys kShapes[] = {{Shape::image, {"image"}},
                                 {Shape::preference, {"prompt", "chosen", "rejected"}},
                                 {Shape::messages, {"messages"}},
                                 {Shape::fill_in, {"prefix", "suffix", "middle"}},
                                 {Shape::completion, {"prompt", "completion"}},
                                 {Shape::text, {"text"}}};

bool has(const Json& line, std::string_view key) {
  const Json* value = line.find(key);
  return value != nullptr && !value->is_null();
}

const ShapeKeys& shape_of(const Json& line, bool pairs) {
  for (const ShapeKeys& shape : kShapes)
    if (std::all_of(shape.keys.begin(), shape.keys.end(),
                    [&line](std::string_view key) { return key.empty() || has(line, key); }) &&
        (!pairs || shape.shape == Shape::preference))
      return shape;
  if (pairs) fail(ErrorKind::usage, R"(has not "prompt", "chosen" and "rejected")");
  fail(ErrorKind::usage,
       R"(has neither "messages" nor "text", "prompt" and "completion", or "prefix", "suffix" and )"
       R"("middle")");
}

// `where` ends in a colon and a space, or is empty.
const std::string& text_of(const Json& object, std::string_view key, std::string_view where = "") {
  const Json* value = object.find(key);
  if (value == nullptr) fail(ErrorKind::usage, "{}there is no \"{}\"", where, key);
  if (!value->is_string()) fail(ErrorKind::usage, "{}\"{}\" is not a string", where, key);
  return value->string(key);
}

std::vector<ChatMessage> messages_of(const Json& line) {
  const Json& list = *line.find("messages");
  if (!list.is_array()) fail(ErrorKind::usage, "\"messages\" is not a list");
  std::vector<ChatMessage> messages;
  for (const Json& message : list.array("messages")) {
    const std::string where = fmt::format("message {}: ", messages.size() + 1);
    ChatMessage m{text_of(message, "role", where), text_of(message, "content", where)};
    if (m.role != "system" && m.role != "user" && m.role != "assistant")
      fail(ErrorKind::usage, "{}the role {} is none of system, user, assistant", where,
           escaped(m.role));
    messages.push_back(std::move(m));
  }
  if (messages.empty()) fail(ErrorKind::usage, "\"messages\" is empty");
  return messages;
}

std::int64_t trained_of(const TrainingSample& sample) {
  return std::count(sample.trained.begin(), sample.trained.end(), 1);
}

void keep(Dataset& dataset, TrainingSample sample) {
  dataset.tokens += std::ssize(sample.ids);
  dataset.trained += trained_of(sample);
  dataset.samples.push_back(std::move(sample));
}

// The samples of one document: by itself alone, its number among all, and the options.
class Document {
 public:
  // adds_space: does the tokenizer put a space before a text?
  Document(const TextForms& forms, const DatasetOptions& options, bool adds_space,
           std::int64_t number)
      : forms_(forms),
        options_(options),
        adds_space_(adds_space),
        number_(static_cast<std::uint64_t>(number)) {}

  Dataset of_line(const Json& line, Shape shape) && {
    add_line(line, shape);
    return std::move(dataset_);
  }
  Dataset of_text(std::string_view text) && {
    if (options_.pairs) fail(ErrorKind::usage, "pairs of answers stand in .jsonl");
    need_text(text);
    if (!text.empty()) add_text(text);
    return std::move(dataset_);
  }

 private:
  static constexpr int kPieceBits = 24;  // of what numbers the pieces of a text

  void add_line(const Json& line, Shape shape) {
    switch (shape) {
      case Shape::image:
        fail(ErrorKind::usage, "images are not trained on yet");
      case Shape::preference:
        if (!options_.pairs)
          fail(ErrorKind::usage, "has \"chosen\" and \"rejected\", which --objective dpo learns");
        return add_pair(text_of(line, "prompt"), text_of(line, "chosen"),
                        text_of(line, "rejected"));
      case Shape::messages:
        return add_messages(messages_of(line));
      case Shape::fill_in:
        return add_fill_in(
            {text_of(line, "prefix"), text_of(line, "middle"), text_of(line, "suffix")});
      case Shape::completion:
        ++dataset_.lines;
        return add(unmasked(encode_completion(forms_.tokenizer, text_of(line, "prompt"),
                                              text_of(line, "completion"))));
      case Shape::text:
        return add_text(text_of(line, "text"));
    }
  }

  void add_pair(const std::string& prompt, const std::string& chosen, const std::string& rejected) {
    ++dataset_.lines;
    TrainingSample pair = encode_completion(forms_.tokenizer, prompt, chosen);
    const TrainingSample other = encode_completion(forms_.tokenizer, prompt, rejected);
    pair.rejected = pair.ids.size();
    pair.ids.insert(pair.ids.end(), other.ids.begin(), other.ids.end());
    pair.trained.insert(pair.trained.end(), other.trained.begin(), other.trained.end());
    pair.trained[pair.rejected] = 0;  // nothing stands before it
    if (pair.ids.size() > most())
      ++dataset_.too_long;
    else
      add(std::move(pair));
  }

  void add_messages(const std::vector<ChatMessage>& messages) {
    if (forms_.chat_template == nullptr)
      fail(ErrorKind::usage,
           "the model has no chat template of a known form; --chat-template FILE gives it one");
    ++dataset_.lines;
    auto samples = encode_conversation(forms_.tokenizer, *forms_.chat_template, messages);
    if (samples.empty()) ++dataset_.nothing_trained;
    for (TrainingSample& sample : samples) add(unmasked(std::move(sample)));
  }

  const FimForm& fim() const {
    if (forms_.fim == nullptr)
      fail(ErrorKind::usage, "the model has no tokens for a gap to fill in");
    return *forms_.fim;
  }

  void add_fill_in(const GappedText& text) {
    const FimForm& form = fim();
    ++dataset_.lines;
    add(encode_fill_in(forms_.tokenizer, form, form.order(), text,
                       options_.too_long == TooLong::cut ? most() : SIZE_MAX));
  }

  // Each piece of a long text begins as any text does; EOS stands where the whole one ends. EOS
  // alone makes no piece: it would teach that a text may be empty.
  void add_text(std::string_view text) {
    if (options_.fim_rate > 0)
      fim();  // is missed at the first text, not at the first that is drawn
    ++dataset_.lines;
    ++dataset_.texts;
    const std::vector<TokenId> begin = begin_of_text(forms_.tokenizer);
    std::vector<TokenId> ids = forms_.tokenizer.encode(text);
    ids.push_back(end_of_text(forms_.tokenizer));
    const std::size_t room = most() - begin.size();
    if (ids.size() == 1) ++dataset_.nothing_trained;
    if (ids.size() > room && options_.too_long_text == TooLong::drop) {
      ++dataset_.too_long;
      return;
    }
    for (std::size_t at = 0; at + 1 < ids.size(); at += room) {
      const auto piece = std::span(ids).subspan(at, std::min(room, ids.size() - at));
      if (!add_gapped(piece, at == 0)) {
        TrainingSample sample{begin, {}};
        sample.ids.insert(sample.ids.end(), piece.begin(), piece.end());
        add(all_trained(std::move(sample)));
      }
      if (options_.too_long_text == TooLong::cut) return;
    }
  }

  // Is this piece of a text one that gets a gap? One that alone is too long stays as it is.
  bool add_gapped(std::span<const TokenId> piece, bool begins_text) {
    const std::uint64_t number = number_ << kPieceBits | dataset_.samples.size();
    if (!is_fill_in(options_.fim_rate, options_.seed, number)) return false;
    std::string text;
    for (const TokenId id : piece) text += forms_.tokenizer.bytes(id);
    if (begins_text && adds_space_ && text.starts_with(' ')) text.erase(0, 1);
    TrainingSample sample =
        encode_fill_in(forms_.tokenizer, fim(), fill_in_order(fim(), options_.seed, number),
                       cut_gap(text, options_.seed, number), most());
    if (sample.ids.size() > most()) return false;
    add(all_trained(std::move(sample)));
    return true;
  }

  static TrainingSample all_trained(TrainingSample sample) {
    sample.trained.assign(sample.ids.size(), 1);
    return sample;
  }
  TrainingSample unmasked(TrainingSample sample) const {
    return options_.mask_prompt ? std::move(sample) : all_trained(std::move(sample));
  }

  void add(TrainingSample sample) {
    if (sample.ids.size() > most()) {
      if (options_.too_long != TooLong::cut) {
        ++dataset_.too_long;
        return;
      }
      sample.ids.resize(most());
      sample.trained.resize(most());
    }
    sample.trained[0] = 0;  // nothing stands before it
    if (trained_of(sample) == 0) {
      ++dataset_.nothing_trained;
      return;
    }
    sample.ids.shrink_to_fit();
    sample.trained.shrink_to_fit();
    keep(dataset_, std::move(sample));
  }

  std::size_t most() const { return static_cast<std::size_t>(options_.max_length); }

  const TextForms& forms_;
  const DatasetOptions& options_;
  const bool adds_space_;
  const std::uint64_t number_;
  Dataset dataset_;
};

// Lines are read side by side, and what comes of them is put together in their order.
class Reader {
 public:
  Reader(Dataset& dataset, const TextForms& forms, const DatasetOptions& options)
      : dataset_(dataset),
        forms_(forms),
        options_(options),
        adds_space_(forms.tokenizer.encode("a") != forms.tokenizer.encode_continued("a")),
        pool_(options.threads) {
    assert(options.max_length >= 2);
  }

  void read_lines(std::string_view text, const std::string& name) {
    first_ = nullptr;
    std::size_t bytes = 0;
    for_each_line(without_mark(text), [&](std::string_view characters, int number) {
      if (characters.find_first_not_of(" \t\r") == std::string_view::npos) return;
      lines_.push_back({characters, number});
      bytes += characters.size();
      if (lines_.size() < kMostLines && bytes < kMostBytes) return;
      take_lines(name);
      bytes = 0;
    });
    take_lines(name);
  }

  void read_text(std::string_view text, const std::string& name) {
    naming(name, [&] { take(document(0).of_text(text)); });
  }

 private:
  static constexpr std::size_t kMostLines = 512, kMostBytes = std::size_t{16} << 20;  // at once

  struct Line {
    std::string_view characters;
    int number;                        // in its file
    const ShapeKeys* shape = nullptr;  // as far as it was found out
    Dataset found = {};
    std::exception_ptr error = nullptr;
  };

  // Of those that are not yet in the dataset, the i-th.
  Document document(std::size_t i) const {
    return {forms_, options_, adds_space_, dataset_.lines + static_cast<std::int64_t>(i)};
  }

  void take_lines(const std::string& name) {
    if (options_.before_lines) options_.before_lines();
    std::atomic<std::size_t> next = 0;
    pool_.run([&](int) {
      for (std::size_t i = next++; i < lines_.size(); i = next++) read(lines_[i], document(i));
    });
    for (Line& line : lines_)
      naming(fmt::format("{}:{}", name, line.number), [&] {
        if (first_ == nullptr) first_ = line.shape;
        if (line.shape != nullptr && line.shape != first_)
          fail(ErrorKind::usage, "has \"{}\", and the lines before it have \"{}\"",
               line.shape->keys[0], first_->keys[0]);
        if (line.error != nullptr) std::rethrow_exception(line.error);
        take(std::move(line.found));
      });
    lines_.clear();
  }

  void read(Line& line, Document document) const {
    try {
      const std::string_view characters = line.characters;
      if (characters[characters.find_first_not_of(" \t\r")] == '[')
        fail(ErrorKind::usage, "a list begins here; one object a line is wanted");
      const Json json = parse_json(characters, "the line");
      if (!json.is_object()) fail(ErrorKind::usage, "the line is not an object");
      line.shape = &shape_of(json, options_.pairs);
      line.found = std::move(document).of_line(json, line.shape->shape);
    } catch (...) {
      line.error = std::current_exception();
    }
  }

  void take(Dataset found) {
    dataset_.lines += found.lines;
    dataset_.texts += found.texts;
    dataset_.too_long += found.too_long;
    dataset_.nothing_trained += found.nothing_trained;
    dataset_.tokens += found.tokens;
    dataset_.trained += found.trained;
    std::move(found.samples.begin(), found.samples.end(), std::back_inserter(dataset_.samples));
  }

  Dataset& dataset_;
  const TextForms& forms_;
  const DatasetOptions& options_;
  const bool adds_space_;
  ThreadPool pool_;
  std::vector<Line> lines_;           // to be read
  const ShapeKeys* first_ = nullptr;  // of the file's first line
};

}  // namespace

std::vector<std::string> texts_of(const Json& line) {
  std::vector<std::string> texts;
  for (const std::string_view key : shape_of(line, false).keys)
    if (key == "messages")
      for (ChatMessage& message : messages_of(line)) texts.push_back(std::move(message.content));
    else if (!key.empty())
      texts.push_back(text_of(line, key));
  return texts;
}

void read_lines(Dataset& dataset, std::string_view lines, const std::string& name,
                const TextForms& forms, const DatasetOptions& options) {
  Reader(dataset, forms, options).read_lines(lines, name);
}

Dataset read_dataset(const std::vector<std::filesystem::path>& files, const TextForms& forms,
                     const DatasetOptions& options) {
  Dataset dataset;
  Reader reader(dataset, forms, options);
  for (const std::filesystem::path& path : files) {
    const std::string name = escaped(path.string());
    const std::int64_t before = dataset.lines;
    const MappedFile file = open_data(path);
    if (holds_samples(path))
      reader.read_lines(as_text(file.bytes()), name);
    else
      reader.read_text(as_text(file.bytes()), name);
    if (dataset.lines == before) fail(ErrorKind::usage, "{} holds no sample", name);
  }
  if (dataset.samples.empty())
    fail(ErrorKind::usage, "no sample is left: {} longer than {} tokens, {} with nothing to learn",
         dataset.too_long, options.max_length, dataset.nothing_trained);
  return dataset;
}

Dataset hold_out(Dataset& dataset, double share, std::uint64_t seed) {
  std::vector<TrainingSample> all = std::move(dataset.samples);
  dataset.samples.clear();
  dataset.tokens = dataset.trained = 0;
  const std::int64_t count = std::ssize(all);
  const std::int64_t out =
      std::max<std::int64_t>(1, std::llround(share * static_cast<double>(count)));
  if (out >= count)
    fail(ErrorKind::usage, "{} of {} samples to measure leave none to learn", out, count);
  Dataset held;
  for (std::int64_t i = 0; i < count; ++i)
    keep(permuted(i, count, seed, kHeldOut) < out ? held : dataset,
         std::move(all[static_cast<std::size_t>(i)]));
  return held;
}

}  // namespace r1
