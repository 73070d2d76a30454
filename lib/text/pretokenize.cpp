#include "lib/text/pretokenize.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <iterator>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/base/utf8.h"

namespace r1 {
namespace {

constexpr std::size_t kMostSteps = 64;

// White space as Oniguruma counts it, as the inside of a class: PCRE2 adds U+180E.
constexpr std::string_view kSpace =
    R"(\t-\r\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

// GPT-2's own pattern, which "ByteLevel" with use_regex stands for.
constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// The script of p{Han} or P{Han}; empty where there is none. PCRE2 means characters that are of
// several scripts too, and the tokenizers those of this one alone.
std::string_view script_in(std::string_view escape) {
  constexpr std::string_view kScripts[] = {
      "Arabic",   "Armenian", "Bengali", "Cyrillic", "Devanagari", "Ethiopic",  "Georgian",
      "Greek",    "Gujarati", "Han",     "Hangul",   "Hebrew",     "Hiragana",  "Kannada",
      "Katakana", "Khmer",    "Lao",     "Latin",    "Malayalam",  "Mongolian", "Myanmar",
      "Sinhala",  "Tamil",    "Telugu",  "Thai",     "Tibetan"};
  if (!escape.starts_with("p{") && !escape.starts_with("P{")) return {};
  const std::string_view name = escape.substr(2, escape.find('}') - 2);
  const auto* found = std::find(std::begin(kScripts), std::end(kScripts), name);
  return found == std::end(kScripts) ? std::string_view() : *found;
}

// The same pattern for PCRE2. What the two engines read differently is rewritten or refused, and a
// character outside ASCII is written by its number.
std::string rewritten(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const std::string_view rest = pattern.substr(i + 1);
    if (c == '\\' && !rest.empty()) {
      ++i;
      if (rest[0] == 's') {
        out += in_class ? std::string(kSpace) : fmt::format("[{}]", kSpace);
      } else if (rest[0] == 'S' && !in_class) {
        out += fmt::format("[^{}]", kSpace);
      } else if (const std::string_view script = script_in(rest); !script.empty()) {
        out += fmt::format("\\{}{{sc:{}}}", rest[0], script);
        i += script.size() + 2;
      } else if (std::string_view("wWhHbBSGXRKQE").find(rest[0]) != std::string_view::npos) {
        fail(ErrorKind::model, "a pre-tokenizer's regex has \\{}{}, which does not run here",
             rest[0], in_class ? " inside a class" : "");
      } else {
        out += {c, rest[0]};
      }
      continue;
    }
    if (in_class && (c == '[' || (c == '&' && rest.starts_with('&'))))
      fail(ErrorKind::model,
           "a pre-tokenizer's regex has a class in a class, which does not run here");
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    if (const Utf8Step step = next_utf8(pattern.substr(i)); step.valid && step.bytes > 1) {
      out += fmt::format("\\x{{{:X}}}", static_cast<std::uint32_t>(step.code_point));
      i += step.bytes - 1;
    } else {
      out += c;
    }
  }
  return out;
}

std::string literal(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && !std::isalnum(byte)) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

Regex::Regex(std::string_view pattern)
    : pattern_(rewritten(pattern)),
      regex_(pattern_, BoundedRegex::Text::unicode,
             {"a pre-tokenizer's regex", ErrorKind::model, ErrorKind::limit}) {}

Pretokenizer Pretokenizer::from_json(const Json& json) {
  Pretokenizer out;
  if (!json.is_null()) out.add_json(json);
  return out;
}

Pretokenizer Pretokenizer::from_patterns(const std::vector<std::string>& patterns) {
  Pretokenizer out;
  for (const std::string& pattern : patterns) out.steps_.push_back({Regex(pattern)});
  return out;
}

void Pretokenizer::add_json(const Json& json) {
  const std::string where = "tokenizer.json: pre_tokenizer";
  if (steps_.size() >= kMostSteps)
    fail(ErrorKind::limit, "{} has more than {} steps", where, kMostSteps);
  const std::string& type = json.at("type", where).string(where);
  const auto flag = [&](std::string_view name, bool absent) {
    const Json* value = json.find(name);
    return value == nullptr ? absent : value->boolean(where);
  };
  if (type == "Sequence") {
    for (const Json& step : json.at("pretokenizers", where).array(where)) add_json(step);
  } else if (type == "Split") {
    const Json& pattern = json.at("pattern", where);
    const Json* regex = pattern.find("Regex");
    add_step(regex != nullptr ? regex->string(where)
                              : literal(pattern.at("String", where).string(where)),
             json);
  } else if (type == "Digits") {
    steps_.push_back({Regex(flag("individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)")});
  } else if (type == "Punctuation") {
    add_step(R"([\p{P}!-/:-@\[-`{-~])", json);
  } else if (type == "ByteLevel") {
    add_prefix_space_ = add_prefix_space_ || flag("add_prefix_space", true);
    if (flag("use_regex", true)) steps_.push_back({Regex(kGpt2)});
  } else {
    fail(ErrorKind::model, "the pre-tokenizer {} is not one that runs here", escaped(type));
  }
}

// A step with this pattern, and with the "behavior" and "invert" of `json`.
void Pretokenizer::add_step(const std::string& pattern, const Json& json) {
  const std::string where = "tokenizer.json: pre_tokenizer";
  const Json* behavior = json.find("behavior");
  const std::string name = behavior == nullptr ? "Isolated" : behavior->string(where);
  Step step{Regex(pattern)};
  if (name == "Removed")
    step.keep = Keep::removed;
  else if (name == "MergedWithPrevious")
    step.keep = Keep::with_previous;
  else if (name == "MergedWithNext")
    step.keep = Keep::with_next;
  else if (name == "Contiguous")
    step.keep = Keep::contiguous;
  else if (name != "Isolated")
    fail(ErrorKind::model, "the split behavior {} is not one that runs here", escaped(name));
  if (const Json* invert = json.find("invert")) step.invert = invert->boolean(where);
  steps_.push_back(std::move(step));
}

std::string Pretokenizer::shown() const {
  std::string out;
  for (const Step& step : steps_)
    out += (out.empty() ? "" : " then ") + escaped(step.regex.pattern());
  return out.empty() ? "no cuts" : out;
}

std::vector<std::string_view> Pretokenizer::split(std::string_view text) const {
  std::vector<std::string_view> pieces = {text}, next;
  for (const Step& step : steps_) {
    next.clear();
    for (const std::string_view piece : pieces) cut(next, piece, step);
    pieces.swap(next);
  }
  return pieces;
}

// Walks over matches and what stands between them; `invert` swaps the two.
void Pretokenizer::cut(std::vector<std::string_view>& out, std::string_view piece,
                       const Step& step) {
  const std::size_t first = out.size();
  bool before_matched = false;
  const auto add = [&](std::size_t begin, std::size_t end, bool matched) {
    if (begin == end) return;
    const bool joins =
        out.size() > first && ((step.keep == Keep::with_previous && matched && !before_matched) ||
                               (step.keep == Keep::with_next && !matched && before_matched) ||
                               (step.keep == Keep::contiguous && matched == before_matched));
    if (joins)
      out.back() = {out.back().data(),
                    static_cast<std::size_t>(piece.data() + end - out.back().data())};
    else if (!(step.keep == Keep::removed && matched))
      out.push_back(piece.substr(begin, end - begin));
    before_matched = matched;
  };
  std::size_t done = 0;
  for (const Regex::Match& m : step.regex.matches(piece)) {
    add(done, m.begin, step.invert);
    add(m.begin, m.end, !step.invert);
    done = m.end;
  }
  add(done, piece.size(), step.invert);
}

}  // namespace r1
