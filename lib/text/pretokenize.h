#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/base/json.h"
#include "lib/text/bounded_regex.h"

namespace r1 {

// A regular expression of a tokenizer file, run by PCRE2 with the meaning Oniguruma gives it (the
// engine of Hugging Face's tokenizers): `\s` without U+180E, `\p{Han}` by script alone.
// Fails with `model` when it does not compile, with `limit` when a match takes too many steps.
class Regex {
 public:
  explicit Regex(std::string_view pattern);

  using Match = BoundedRegex::Match;
  // The pattern as it is run: the same for two spellings of one character.
  const std::string& pattern() const { return pattern_; }
  // Every match that is not empty, first to last. `text` is valid UTF-8.
  std::vector<Match> matches(std::string_view text) const { return regex_.matches(text); }

 private:
  std::string pattern_;
  BoundedRegex regex_;
};

// Cuts text into the pieces that BPE works on. Steps run one after another, each on the pieces of
// the one before.
class Pretokenizer {
 public:
  // The "pre_tokenizer" of a tokenizer.json (null: no cuts). Fails with `model`, naming what it is.
  static Pretokenizer from_json(const Json& json);
  // An entry of pretokenizers.json: each step a regex whose matches are cut out.
  static Pretokenizer from_patterns(const std::vector<std::string>& patterns);

  std::vector<std::string_view> split(std::string_view text) const;
  bool add_prefix_space() const { return add_prefix_space_; }
  bool operator==(const Pretokenizer& other) const = default;  // the same steps
  std::string shown() const;                                   // the patterns, for a message

 private:
  enum class Keep { isolated, removed, with_previous, with_next, contiguous };
  struct Step {
    Regex regex;
    Keep keep = Keep::isolated;
    bool invert = false;
    bool operator==(const Step& other) const {
      return regex.pattern() == other.regex.pattern() && keep == other.keep &&
             invert == other.invert;
    }
  };
  void add_json(const Json& json);
  void add_step(const std::string& pattern, const Json& json);
  static void cut(std::vector<std::string_view>& out, std::string_view piece, const Step& step);

  std::vector<Step> steps_;
  bool add_prefix_space_ = false;
};

}  // namespace r1
