#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/json.h"
#include "tools/bench/record.h"

namespace r1 {

using Write = std::function<void(std::string_view)>;

// Text in columns, each line as soon as it is complete: `table`, aligned for people, or `md`. Cells
// are made harmless. The widths of a table are known before its first row comes.
struct Column {
  std::string heading;
  std::size_t width = 0;  // in characters, at least
  bool right = false;     // numbers
};
class Table {
 public:
  Table(std::vector<Column> columns, bool markdown, Write write);
  void add(const std::vector<std::string>& cells);

 private:
  void line(const std::vector<std::string>& cells);

  std::vector<Column> columns_;
  bool markdown_;
  Write write_;
  bool begun_ = false;
};

// A member by its path, "model.name"; null when it is not there.
const Json& member(const Json& json, std::string_view path);
// As text in UTF-8 without quotes; lists and objects as JSON, null as nothing.
std::string plain(const Json& json);

// A path into a row's JSON, "model.name", and what SQL calls its type.
struct NamedColumn {
  std::string name;
  const char* type = "text";
};
inline constexpr const char *kSqlCount = "bigint", *kSqlNumber = "double precision";

// Named values in rows: `csv` (RFC 4180 quotes, lines end in a newline) or `sql` (a CREATE TABLE,
// then an INSERT a row, as SQLite and PostgreSQL read them). What is not there is empty, or NULL.
class NamedRows {
 public:
  NamedRows(std::vector<NamedColumn> columns, std::string table, bool sql, Write write);
  void add(const Json& row);

 private:
  std::vector<NamedColumn> columns_;
  std::string table_;
  bool sql_;
  Write write_;
  bool begun_ = false;
};

// Where records go as they are made. `end` completes what has an end.
class RecordWriter {
 public:
  virtual ~RecordWriter() = default;
  virtual void add(const BenchRecord& record) = 0;
  virtual void end() {}
};
// What is to come, for the widths of a table.
struct Planned {
  std::string model, id;
  bool limited = true;  // its time has a limit that is probed
  // Of a text that is predicted there is no time; is it held against a base?
  bool quality = false, against_base = false;
};
// table, md, json, jsonl, csv, sql or benchstat.
std::unique_ptr<RecordWriter> record_writer(const std::string& format,
                                            const std::vector<Planned>& planned, bool priced,
                                            Write write);
// The columns of csv and sql.
const std::vector<NamedColumn>& record_columns();

// "1.23 ms", "4.5 µs": three digits. "28.3 GB/s".
std::string shown_time(double ns);
std::string shown_bytes(double bytes);          // "638 MB"
std::string shown_number(double value);         // three digits at least: "0.0123", "12.3", "1234"
std::size_t characters(std::string_view text);  // of UTF-8

}  // namespace r1
