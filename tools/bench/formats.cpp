#include "tools/bench/formats.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/base/utf8.h"

namespace r1 {
namespace {

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::size_t have = characters(text);
  const std::string space(width > have ? width - have : 0, ' ');
  return right ? space + text : text + space;
}

std::string doubled(const std::string& text, char quote) {
  std::string out(1, quote);
  for (const char c : text) out += c == quote ? std::string(2, c) : std::string(1, c);
  return out + quote;
}

std::string csv_cell(const Json& json) {
  const std::string text = plain(json);
  return text.find_first_of(",\"\r\n") == std::string::npos ? text : doubled(text, '"');
}

std::string sql_cell(const Json& json) {
  const std::string text = plain(json);
  if (text.empty() && !json.is_string()) return "NULL";
  return json.is_number() || json.is_bool() ? text : doubled(text, '\'');
}

std::string sql_name(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return doubled(name, '"');  // "index" and "time" are words of the language
}

}  // namespace

const Json& member(const Json& json, std::string_view path) {
  static const Json none;
  const Json* at = &json;
  while (!path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    at = at->is_object() ? at->find(path.substr(0, dot)) : nullptr;
    if (at == nullptr) return none;
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return *at;
}

// Numbers that are none are null here as in JSON.
std::string plain(const Json& json) {
  if (json.is_string()) {
    Utf8Stream whole;
    const std::string text = whole.push(json.string(""));
    return text + whole.finish();
  }
  const std::string text = json_text(json);
  return text == "null" ? std::string() : text;
}

std::size_t characters(std::string_view text) {
  std::size_t n = 0;
  while (!text.empty()) {
    text.remove_prefix(next_utf8(text).bytes);
    ++n;
  }
  return n;
}

std::string shown_number(double value) {
  const double size = std::abs(value);
  int decimals = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  if (size > 0 && size < 0.1)
    decimals = std::min(12, 2 - static_cast<int>(std::floor(std::log10(size))));
  return fmt::format("{:.{}f}", value, decimals);
}

std::string shown_time(double ns) {
  if (ns < 999.5) return shown_number(ns) + " ns";
  if (ns < 999.5e3) return shown_number(ns / 1e3) + " µs";
  if (ns < 9999.5e6) return shown_number(ns / 1e6) + " ms";
  return shown_number(ns / 1e9) + " s";
}

std::string shown_bytes(double bytes) {
  if (bytes < 999.5e3) return shown_number(bytes / 1e3) + " kB";
  return bytes < 999.5e6 ? shown_number(bytes / 1e6) + " MB" : shown_number(bytes / 1e9) + " GB";
}

Table::Table(std::vector<Column> columns, bool markdown, Write write)
    : columns_(std::move(columns)), markdown_(markdown), write_(std::move(write)) {
  for (Column& c : columns_) c.width = std::max(c.width, characters(c.heading));
}

void Table::line(const std::vector<std::string>& cells) {
  std::string text;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const Column& c = columns_[i];
    std::string cell = escaped(cells[i]);
    if (markdown_) {
      for (std::size_t at = 0; (at = cell.find('|', at)) != std::string::npos; at += 2)
        cell.insert(at, "\\");
      text += "| " + cell + " ";
    } else {
      text += (i > 0 ? "  " : "") + padded(cell, c.width, c.right);
    }
  }
  if (markdown_) text += "|";
  while (text.ends_with(' ')) text.pop_back();
  write_(text + "\n");
}

void Table::add(const std::vector<std::string>& cells) {
  if (!begun_) {
    std::vector<std::string> headings;
    std::string rule;
    for (const Column& c : columns_) {
      headings.push_back(c.heading);
      rule += c.right ? "|---:" : "|---";
    }
    line(headings);
    if (markdown_) write_(rule + "|\n");
    begun_ = true;
  }
  line(cells);
}

NamedRows::NamedRows(std::vector<NamedColumn> columns, std::string table, bool sql, Write write)
    : columns_(std::move(columns)), table_(std::move(table)), sql_(sql), write_(std::move(write)) {}

void NamedRows::add(const Json& row) {
  std::vector<std::string> headings, cells;
  for (const auto& [name, type] : columns_) {
    headings.push_back(sql_ ? fmt::format("{} {}", sql_name(name), type) : name);
    cells.push_back(sql_ ? sql_cell(member(row, name)) : csv_cell(member(row, name)));
  }
  if (!begun_ && sql_)
    write_(fmt::format("CREATE TABLE IF NOT EXISTS {} ({});\n", table_, fmt::join(headings, ", ")));
  if (!begun_ && !sql_) write_(fmt::format("{}\n", fmt::join(headings, ",")));
  begun_ = true;
  if (sql_)
    write_(fmt::format("INSERT INTO {} VALUES ({});\n", table_, fmt::join(cells, ", ")));
  else
    write_(fmt::format("{}\n", fmt::join(cells, ",")));
}

}  // namespace r1
