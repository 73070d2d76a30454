#include "tools/common/config_file.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "lib/base/error.h"
#include "lib/base/lines.h"
#include "tools/common/options.h"

namespace r1 {
namespace {

constexpr std::string_view kTables[] = {"common",   "r1-complete", "r1-caption", "r1-ocr",
                                        "r1-bench", "r1-quantize", "r1-finetune"};

class Line {
 public:
  Line(std::string_view text, std::string_view file, int number)
      : rest_(text), file_(file), number_(number) {}

  void skip() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r"), rest_.size())); }
  bool at_end() {
    skip();
    return rest_.empty() || rest_[0] == '#';
  }
  bool take(char c) {
    skip();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  [[noreturn]] void refuse(std::string_view why) const {
    fail(ErrorKind::usage, "{}:{}: {}", escaped(file_), number_, why);
  }
  void end() {
    if (!at_end()) refuse("there is something behind the value");
  }

  std::string word() {  // a key or a table's name
    skip();
    const auto letter = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    };
    const std::size_t n = static_cast<std::size_t>(
        std::find_if_not(rest_.begin(), rest_.end(), letter) - rest_.begin());
    if (n == 0) refuse("a name of letters, digits and - is wanted");
    return take_text(n);
  }
  bool at_string() {
    skip();
    return !rest_.empty() && (rest_[0] == '"' || rest_[0] == '\'');
  }
  std::string string() {
    const char quote = rest_[0];
    rest_.remove_prefix(1);
    std::string out;
    while (!rest_.empty() && rest_[0] != quote) {
      char c = rest_[0];
      rest_.remove_prefix(1);
      if (c == '\\' && quote == '"') c = escape();
      out += c;
    }
    if (!take(quote)) refuse("the string does not end");
    return out;
  }
  std::string bare() {  // a number or a boolean
    skip();
    return take_text(std::min(rest_.find_first_of(" \t\r,]#"), rest_.size()));
  }

 private:
  char escape() {
    if (rest_.empty()) refuse("the string does not end");
    const char c = rest_[0];
    rest_.remove_prefix(1);
    switch (c) {
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case '"':
      case '\\':
        return c;
      default:
        refuse("only \\n, \\t, \\\" and \\\\ may be escaped");
    }
  }
  std::string take_text(std::size_t n) {
    std::string out(rest_.substr(0, n));
    rest_.remove_prefix(n);
    return out;
  }

  std::string_view rest_;
  std::string_view file_;
  int number_;
};

// A number as the command line has it: without the + before it and each _ between two digits.
std::optional<std::string> number(std::string_view word) {
  if (word.starts_with('+')) word.remove_prefix(1);
  std::string digits;
  const auto is_digit = [&](std::size_t i) {
    return i < word.size() && std::isdigit(static_cast<unsigned char>(word[i])) != 0;
  };
  for (std::size_t i = 0; i < word.size(); ++i)
    if (word[i] != '_' || i == 0 || !is_digit(i - 1) || !is_digit(i + 1)) digits += word[i];
  return number_in(digits) ? std::optional(digits) : std::nullopt;
}

std::string value(Line& line) {
  if (line.at_string()) return line.string();
  std::string word = line.bare();
  if (word == "true" || word == "false") return word;
  if (const std::optional<std::string> n = number(word)) return *n;
  line.refuse("a string in quotes, a number, true, false or a list is wanted");
}

ConfigEntry entry(Line& line, const std::string& table, int number) {
  ConfigEntry e{table, line.word(), {}, false, number};
  if (!line.take('=')) line.refuse("= is wanted behind the name");
  if (!line.take('[')) {
    e.values.push_back(value(line));
    return e;
  }
  e.is_list = true;
  while (!line.take(']')) {
    if (!line.at_string()) line.refuse("a list holds strings in quotes, on one line");
    e.values.push_back(line.string());
    if (!line.take(',')) {
      if (!line.take(']')) line.refuse("a list ends in ]");
      break;
    }
  }
  return e;
}

}  // namespace

std::vector<ConfigEntry> parse_config(std::string_view text, std::string_view file) {
  std::vector<ConfigEntry> entries;
  std::string table;
  for_each_line(text, [&](std::string_view characters, int number) {
    Line line(characters, file, number);
    if (line.at_end()) return;
    if (line.take('[')) {
      table = line.word();
      if (!line.take(']')) line.refuse("a table's name ends in ]");
      if (std::find(std::begin(kTables), std::end(kTables), table) == std::end(kTables))
        line.refuse(fmt::format("[{}] is neither [common] nor the name of a tool", table));
    } else {
      if (table.empty()) line.refuse("a key stands before the first table");
      entries.push_back(entry(line, table, number));
      const ConfigEntry& e = entries.back();
      for (std::size_t i = 0; i + 1 < entries.size(); ++i)
        if (entries[i].table == e.table && entries[i].key == e.key)
          line.refuse("the key " + e.key + " stands here twice");
    }
    line.end();
  });
  return entries;
}

}  // namespace r1
