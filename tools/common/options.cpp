#include "tools/common/options.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <optional>

#include "lib/base/edit_distance.h"
#include "lib/base/error.h"
#include "lib/base/lower.h"
#include "tools/common/other_names.h"

namespace r1 {
namespace {

[[noreturn]] void refuse(std::string_view shown, std::string_view value, std::string_view want) {
  fail(ErrorKind::usage, "{} wants {}, not '{}'", shown, want, escaped(value));
}

constexpr std::string_view kTime = "a time with its unit, such as 250ms, 30s or 2h";
constexpr std::string_view kSize = "a size, such as 512M or 4G";
constexpr std::string_view kSizeOrShare = "a size, such as 20G, or a share, such as 80%";

constexpr std::string_view kShare = "a share of at most 100%";

std::string_view wanted(const Option& o) {
  return o.unit == Option::Unit::milliseconds     ? kTime
         : o.unit == Option::Unit::bytes          ? kSize
         : o.unit == Option::Unit::bytes_or_share ? kSizeOrShare
                                                  : "a whole number";
}

// The factor of a unit at the end of `text`, which is cut off.
double take_unit(std::string_view& text, Option::Unit unit, std::string_view shown) {
  struct Factor {
    std::string_view ending;
    double value;
  };
  static constexpr Factor kTimes[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
  static constexpr Factor kSizes[] = {
      {"K", 1024.0}, {"M", 1024.0 * 1024}, {"G", 1024.0 * 1024 * 1024}};
  static constexpr Factor kShares[] = {{"%", -1}};
  const std::string_view whole = text;
  const auto take = [&text](const auto& factors) {
    for (const Factor& f : factors)
      if (text.ends_with(f.ending)) {
        text.remove_suffix(f.ending.size());
        return f.value;
      }
    return 0.0;
  };
  if (unit == Option::Unit::bytes_or_share)
    if (const double factor = take(kShares); factor != 0) return factor;
  if (unit == Option::Unit::none) return 1;
  if (unit == Option::Unit::milliseconds) {
    if (const double factor = take(kTimes); factor > 0) return factor;
    refuse(shown, whole, kTime);
  }
  const double factor = take(kSizes);
  return factor > 0 ? factor : 1;
}

void check_range(const Option& o, double value, std::string_view text, std::string_view shown) {
  if (value >= o.least && value <= o.most) return;
  const auto word = [](double limit) { return fmt::format("{}", limit); };
  if (o.most >= 1e18)
    refuse(shown, text,
           value < o.least ? "a number of at least " + word(o.least) : "a smaller number");
  refuse(shown, text, "a number from " + word(o.least) + " to " + word(o.most));
}

// What is at most 1 is a share, which may be said in percent.
double real_in(const Option& o, std::string_view text, std::string_view shown) {
  const bool percent = o.most <= 1 && text.ends_with('%');
  const std::optional<double> number = number_in(percent ? text.substr(0, text.size() - 1) : text);
  if (!number) refuse(shown, text, "a number");
  return percent ? *number / 100 : *number;
}

void check_choice(const Option& o, std::string_view value, std::string_view shown) {
  if (o.choices.empty() || std::find(o.choices.begin(), o.choices.end(), value) != o.choices.end())
    return;
  refuse(shown, value, fmt::format("{}", fmt::join(o.choices, "|")));
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void set_integer(const Option& o, std::string_view text, std::string_view shown,
                 std::int64_t& into) {
  std::string_view digits = text;
  const double factor = take_unit(digits, o.unit, shown);
  const std::optional<std::int64_t> count = whole_number(digits);
  const bool share = o.unit == Option::Unit::bytes_or_share;
  if (!count || (share && *count <= 0)) refuse(shown, text, wanted(o));
  const double number = factor * static_cast<double>(*count);
  if (share && factor < 0 && *count > 100) refuse(shown, text, kShare);
  check_range(o, number, text, shown);
  into = factor == 1 ? *count : static_cast<std::int64_t>(number);
}

bool parse_bool(std::string_view value, std::string_view shown) {
  if (value == "true") return true;
  if (value == "false") return false;
  refuse(shown, value, "true or false");
}

// The option of this name, or none.
const Option* option_of(const Program& program, std::string_view name) {
  const auto found = std::find_if(program.options.begin(), program.options.end(),
                                  [&](const Option& o) { return o.name == name; });
  return found == program.options.end() ? nullptr : &*found;
}

// "; here that is --max-tokens" for what another program calls n_predict; else empty.
std::string named_elsewhere(const Program& program, std::string_view option) {
  std::string theirs(option);
  std::replace(theirs.begin(), theirs.end(), '_', '-');
  for (const OtherName& name : other_names())
    if (name.theirs == theirs && option_of(program, name.ours) != nullptr)
      return fmt::format("; here that is --{}", name.ours);
  return {};
}

// Splits the command line and finds each option in the table.
class Reader {
 public:
  Reader(const Program& program, const std::vector<std::string>& arguments)
      : program_(program), arguments_(arguments) {}

  std::vector<Given> read() {
    std::vector<std::string> operands;
    while (at_ < arguments_.size()) {
      const std::string& word = arguments_[at_++];
      if (word == "--") {
        operands.insert(operands.end(), arguments_.begin() + static_cast<std::ptrdiff_t>(at_),
                        arguments_.end());
        break;
      }
      if (word.starts_with("--"))
        read_long(word);
      else if (word.size() > 1 && word[0] == '-')
        read_letters(word);
      else
        operands.push_back(word);
    }
    if (program_.operands == nullptr && !operands.empty())
      fail(ErrorKind::usage, "there is no place for '{}'", escaped(operands[0]));
    if (program_.operands != nullptr) *program_.operands = std::move(operands);
    return std::move(given_);
  }

 private:
  void read_long(const std::string& word) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
    const std::string shown = "--" + name;
    for (const Option& o : program_.options) {
      if (o.name != name) continue;
      if (is_switch(o)) {
        if (equals != std::string::npos) fail(ErrorKind::usage, "{} takes no value", shown);
        given_.push_back({&o, ""});
        return;
      }
      if (equals == std::string::npos) return take_next(o, shown);
      if (equals + 1 == word.size()) fail(ErrorKind::usage, "{}= has no value", shown);
      given_.push_back({&o, word.substr(equals + 1)});
      return;
    }
    fail(ErrorKind::usage, "there is no option {}{}", escaped(shown),
         nearest_option(program_, name));
  }

  // -qv, -n 5 and -n5.
  void read_letters(const std::string& word) {
    constexpr std::size_t kShort = 4;  // -ngl is no -n of 'gl'
    if (const std::string ours = named_elsewhere(program_, word.substr(1));
        word.size() > 2 && word.size() <= kShort && !ours.empty())
      fail(ErrorKind::usage, "there is no option {}{}", escaped(word), ours);
    for (std::size_t i = 1; i < word.size(); ++i) {
      const std::string shown = {'-', word[i]};
      const auto found = std::find_if(program_.options.begin(), program_.options.end(),
                                      [&](const Option& o) { return o.letter == word[i]; });
      if (found == program_.options.end())
        fail(ErrorKind::usage, "there is no option {}", escaped(shown));
      if (is_switch(*found)) {
        given_.push_back({&*found, ""});
        continue;
      }
      if (i + 1 == word.size()) return take_next(*found, shown);
      given_.push_back({&*found, word.substr(i + 1)});
      return;
    }
  }

  void take_next(const Option& o, const std::string& shown) {
    if (at_ == arguments_.size()) fail(ErrorKind::usage, "{} wants a value, {}", shown, o.metavar);
    const std::string& value = arguments_[at_++];
    if (value.starts_with("--"))
      fail(ErrorKind::usage, "{} wants a value, {}; write --{}={} if that is it", shown, o.metavar,
           o.name, escaped(value));
    given_.push_back({&o, value});
  }

  const Program& program_;
  const std::vector<std::string>& arguments_;
  std::size_t at_ = 0;
  std::vector<Given> given_;
};

}  // namespace

std::string nearest_option(const Program& program, std::string_view name) {
  if (std::string words = named_elsewhere(program, name); !words.empty()) return words;
  for (const Option& o : program.options)
    if (!o.hidden && name.size() == 1 && o.letter == name[0])
      return fmt::format("; did you mean --{}?", o.name);
  const Option* best = nullptr;
  std::size_t least = std::min<std::size_t>(3, name.size());  // three steps away is another word
  for (const Option& o : program.options) {
    if (o.hidden) continue;
    const bool begins = o.name.starts_with(name) || name.starts_with(o.name);
    const std::size_t steps = begins ? 0 : edit_distance(name, o.name);
    if (steps < least) least = steps, best = &o;
  }
  return best == nullptr ? std::string() : fmt::format("; did you mean --{}?", best->name);
}

void refuse_if(bool wrong, const char* why) {
  if (wrong) fail(ErrorKind::usage, "{}", why);
}

namespace {

bool is_met(const Option::Want& want, const Program& program) {
  const Option* other = option_of(program, want.option);
  assert(other != nullptr);
  const std::string value = value_text(*other);
  if (want.values.empty()) return !value.empty() && value != "0" && value != "false";
  return std::find(want.values.begin(), want.values.end(), value) != want.values.end();
}

bool names_a_place(const Option& o) {
  return o.completes == Option::Completes::file || o.completes == Option::Completes::directory ||
         o.completes == Option::Completes::model;
}

// "--objective dpo"
std::string in_words(const Option::Want& want) {
  return fmt::format("--{}{}{}", want.option, want.values.empty() ? "" : " ",
                     fmt::join(want.values, " or "));
}

}  // namespace

void check_given(const Program& program, const std::vector<Given>& given) {
  for (const auto& [option, value] : given) {
    if (names_a_place(*option) && value.empty())
      fail(ErrorKind::usage, "--{} wants {}, and '' is none", option->name, option->metavar);
    for (const std::string& other : option->idle_with)
      if (is_met({other}, program))
        fail(ErrorKind::usage, "--{} changes nothing with --{}", option->name, other);
    const std::vector<Option::Want>& wants = option->wants;
    const auto met = [&](const Option::Want& want) { return is_met(want, program); };
    if (wants.empty() || std::any_of(wants.begin(), wants.end(), met)) continue;
    std::vector<std::string> words;
    std::transform(wants.begin(), wants.end(), std::back_inserter(words), in_words);
    fail(ErrorKind::usage, "--{} wants {}", option->name, fmt::join(words, " or "));
  }
}

bool is_switch(const Option& option) { return option.metavar.empty(); }

std::vector<Given> parse_command_line(const Program& program,
                                      const std::vector<std::string>& arguments) {
  return Reader(program, arguments).read();
}

std::int64_t parse_integer(std::string_view text, std::string_view shown) {
  const std::optional<std::int64_t> value = whole_number(text);
  if (!value) refuse(shown, text, "a whole number");
  return *value;
}

std::optional<double> number_in(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

void set_value(const Option& o, std::string_view as_given, std::string_view shown, bool first) {
  const std::string value = o.any_case ? lower(as_given) : std::string(as_given);
  check_choice(o, value, shown);
  if (o.given != nullptr) *o.given = true;
  if (auto* const* flag = std::get_if<bool*>(&o.into)) {
    **flag = parse_bool(value, shown);
  } else if (auto* const* integer = std::get_if<std::int64_t*>(&o.into)) {
    const bool counts = is_switch(o);  // how often it was given, and true is once
    if (counts && (value == "true" || value == "false"))
      **integer = value == "true" ? 1 : 0;
    else
      set_integer(o, value, shown, **integer);
  } else if (auto* const* real = std::get_if<double*>(&o.into)) {
    const double number = real_in(o, value, shown);
    check_range(o, number, value, shown);
    **real = number;
  } else if (auto* const* text = std::get_if<std::string*>(&o.into)) {
    **text = value;
  } else {
    auto& list = *std::get<std::vector<std::string>*>(o.into);
    if (first) list.clear();
    list.emplace_back(value);
  }
}

std::string value_text(const Option& o) {
  if (auto* const* flag = std::get_if<bool*>(&o.into)) return **flag ? "true" : "false";
  if (auto* const* integer = std::get_if<std::int64_t*>(&o.into))
    return o.unit == Option::Unit::bytes_or_share && **integer < 0 ? fmt::format("{}%", -**integer)
                                                                   : std::to_string(**integer);
  if (auto* const* real = std::get_if<double*>(&o.into)) return fmt::format("{}", **real);
  if (auto* const* text = std::get_if<std::string*>(&o.into)) return **text;
  return fmt::format("{}", fmt::join(*std::get<std::vector<std::string>*>(o.into), " "));
}

}  // namespace r1
