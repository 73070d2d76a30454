#include "tools/bench/compare.h"

#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/base/lines.h"
#include "tools/bench/machine.h"
#include "tools/common/signals.h"

namespace r1 {
namespace {

constexpr std::string_view kSchema = "r1.compare/1";

// Where these differ, two tests of one name are not one test, or not one machine.
constexpr const char* kConditions[] = {
    "cpu.name",     "gpu",           "test.device", "test.dtype",
    "test.kv_type", "model.digest",  "model.quant", "serve.requests",
    "serve.rate",   "serve.lengths", "serve.seed"};

std::string name_of(const PooledTest& t) {
  return t.model.empty() ? escaped(t.id) : fmt::format("{} of {}", escaped(t.id), escaped(t.model));
}

// Tests by model and id.
class Index {
 public:
  // Its place among the tests, `next` where it is new.
  std::size_t place_of(const PooledTest& t, std::size_t next) {
    return places_.emplace(key(t), next).first->second;
  }
  const PooledTest* find(const std::vector<PooledTest>& all, const PooledTest& wanted) const {
    const auto found = places_.find(key(wanted));
    return found == places_.end() ? nullptr : &all[found->second];
  }

 private:
  static std::string key(const PooledTest& t) { return t.model + '\0' + t.id; }
  std::unordered_map<std::string, std::size_t> places_;
};

Index index_of(const std::vector<PooledTest>& tests) {
  Index index;
  for (std::size_t i = 0; i < tests.size(); ++i) index.place_of(tests[i], i);
  return index;
}

// body(condition, of `a`, of `b`) for each that both name, and not alike.
template <typename Body>
void each_difference(const PooledTest& a, const PooledTest& b, const Body& body) {
  for (const auto& [name, value] : a.conditions)
    if (const auto other = b.conditions.find(name);
        other != b.conditions.end() && other->second != value)
      body(name, value, other->second);
}

// One record as a test of its own.
PooledTest read_test(const Json& record, const std::string& where) {
  PooledTest t;
  t.id = record.at("id", where).string(where + ": id");
  if (const Json& name = member(record, "model.name"); !name.is_null())
    t.model = short_name(name.string(where + ": model.name"));
  for (const char* name : kConditions)
    if (const Json& value = member(record, name); !value.is_null())
      t.conditions.emplace(name, plain(value));
  for (const Json& ns : record.at("samples_ns", where).array(where + ": samples_ns")) {
    t.samples_ns.push_back(ns.number(where + ": samples_ns"));
    if (!(t.samples_ns.back() > 0)) fail(ErrorKind::decode, "{}: a sample is not positive", where);
  }
  if (const Json& status = member(record, "status"); status.is_string())
    t.failed = status.string(where) == "error";
  if (const Json& share = member(record, "interference"); share.is_number())
    t.interference = share.number(where);
  return t;
}

// Reads the records of one file, one after the other.
class Reader {
 public:
  void read(const Json& record, const std::string& where) {
    stop_when_interrupted();
    ++records_;
    const Json& schema = member(record, "schema");
    if (!schema.is_string() || schema.string(where) != kBenchSchema)
      fail(ErrorKind::decode, "{}: no record of r1-bench", where);
    PooledTest t = read_test(record, where);
    if (!t.samples_ns.empty() || t.failed) pool(std::move(t), where);
  }
  std::vector<PooledTest> done(std::string_view where) {
    if (records_ == 0) fail(ErrorKind::decode, "{} holds no records", escaped(where));
    return std::move(tests_);
  }

 private:
  void pool(PooledTest&& t, const std::string& where) {
    const std::size_t place = index_.place_of(t, tests_.size());
    if (place == tests_.size()) return tests_.push_back(std::move(t));
    PooledTest& known = tests_[place];
    each_difference(
        known, t, [&](const std::string& name, const std::string& a, const std::string& b) {
          fail(ErrorKind::decode, "{}: {} has {} {}, and {} before: these are two tests", where,
               name_of(t), name, escaped(b), escaped(a));
        });
    known.failed = known.failed && t.failed;
    known.conditions.merge(t.conditions);
    known.samples_ns.insert(known.samples_ns.end(), t.samples_ns.begin(), t.samples_ns.end());
    known.interference = std::max(known.interference, t.interference);
  }

  std::vector<PooledTest> tests_;
  Index index_;
  std::int64_t records_ = 0;
};

// Warnings that many tests may have: said once, of the first and of how many there are.
class Doubts {
 public:
  void add(const PooledTest& t, const std::string& doubt) {
    const auto [found, is_new] = tests_.emplace(doubt, std::pair(name_of(t), 0));
    ++found->second.second;
    if (is_new) order_.push_back(doubt);
  }
  void say(std::vector<std::string>& warnings) const {
    for (const std::string& doubt : order_) {
      const auto& [first, count] = tests_.at(doubt);
      warnings.push_back(count == 1 ? fmt::format("{}: {}", first, doubt)
                                    : fmt::format("{} and {} more: {}", first, count - 1, doubt));
    }
  }

 private:
  std::map<std::string, std::pair<std::string, int>> tests_;
  std::vector<std::string> order_;
};

// None where both have times. `now`: none where the new file lacks it.
const char* why_not_compared(const PooledTest& old, const PooledTest* now) {
  if (now == nullptr) return "only in the old file";
  if (old.failed) return "failed in the old file";
  return now->failed ? "failed in the new file" : nullptr;
}

std::string verdict_of(const Ratio& speed) {
  if (!speed.interval) return "unsure";
  if (speed.interval->low > 1) return "faster";
  return speed.interval->high < 1 ? "slower" : "same";
}

Json comparison_json(const Comparison& c, std::size_t index) {
  const auto bound = [&](double Ratio::Interval::*member) {
    return c.speed.interval ? Json((*c.speed.interval).*member) : Json();
  };
  return Json(Json::Object{{"schema", Json(std::string(kSchema))},
                           {"index", Json(static_cast<std::int64_t>(index))},
                           {"id", Json(c.id)},
                           {"status", Json(std::string("ok"))},
                           {"model", c.model.empty() ? Json() : Json(c.model)},
                           {"old_ns", Json(c.old_ns)},
                           {"new_ns", Json(c.new_ns)},
                           {"speed", Json(c.speed.value)},
                           {"low", bound(&Ratio::Interval::low)},
                           {"high", bound(&Ratio::Interval::high)},
                           {"verdict", Json(c.verdict)}});
}

void write_table(const Compared& compared, bool markdown, const Write& write) {
  std::size_t model = 0, test = 0;
  for (const Comparison& c : compared.tests) {
    model = std::max(model, characters(escaped(c.model)));
    test = std::max(test, characters(escaped(c.id)));
  }
  std::vector<Column> columns;
  if (model > 0) columns.push_back({"model", model});
  columns.insert(columns.end(), {{"test", test},
                                 {"old", 8, true},
                                 {"new", 8, true},
                                 {"speed", 6, true},
                                 {"95 % interval", 14, true},
                                 {"verdict", 7}});
  Table table(columns, markdown, write);
  for (const Comparison& c : compared.tests) {
    std::vector<std::string> cells;
    if (model > 0) cells.push_back(c.model);
    cells.insert(cells.end(), {c.id, shown_time(c.old_ns), shown_time(c.new_ns),
                               fmt::format("{:.3f}×", c.speed.value)});
    cells.push_back(c.speed.interval ? fmt::format("{:.3f}–{:.3f}", c.speed.interval->low,
                                                   c.speed.interval->high)
                                     : "too few");
    cells.push_back(c.verdict);
    table.add(cells);
  }
}

}  // namespace

std::vector<PooledTest> read_tests(std::string_view text, std::string_view where) {
  constexpr std::string_view kSpace = " \t\r\n";
  Reader reader;
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first != std::string_view::npos && text[first] == '[') {  // --json
    const std::string place = escaped(where);
    const Json document = parse_json(text, place);
    for (const Json& record : document.array(place)) reader.read(record, place);
    return reader.done(where);
  }
  for_each_line(text, [&](std::string_view line, int number) {
    if (line.find_first_not_of(kSpace) == std::string_view::npos) return;
    const std::string place = fmt::format("{}:{}", escaped(where), number);
    reader.read(parse_json(line, place), place);
  });
  return reader.done(where);
}

bool Comparison::slower_than(double share) const {
  return speed.value < 1 - share && (verdict == "slower" || verdict == "unsure");
}

Compared compare(const std::vector<PooledTest>& before, const std::vector<PooledTest>& after) {
  Compared result;
  Doubts doubts;
  const Index olds = index_of(before), news = index_of(after);
  for (const PooledTest& old : before) {
    stop_when_interrupted();
    const PooledTest* now = news.find(after, old);
    if (const char* why = why_not_compared(old, now); why != nullptr) {
      doubts.add(old, why);
      result.failed = result.failed || (!old.failed && now != nullptr);
      continue;
    }
    Comparison c{old.model, old.id};
    c.old_ns = statistics(old.samples_ns).median;
    c.new_ns = statistics(now->samples_ns).median;
    c.speed = ratio_of(old.samples_ns, now->samples_ns);
    c.verdict = verdict_of(c.speed);
    each_difference(
        old, *now, [&](const std::string& name, const std::string& a, const std::string& b) {
          doubts.add(old, fmt::format("{} was {} and is {}", name, escaped(a), escaped(b)));
        });
    if (const double most = std::max(old.interference, now->interference); disturbance(most))
      doubts.add(old,
                 fmt::format("other processes took up to {:.0f} % of the CPU time", 100 * most));
    result.tests.push_back(std::move(c));
  }
  stop_when_interrupted();
  for (const PooledTest& now : after)
    if (olds.find(before, now) == nullptr) doubts.add(now, "only in the new file");
  doubts.say(result.warnings);
  return result;
}

void write_comparison(const Compared& compared, const std::string& format, const Write& write) {
  if (format == "table" || format == "md") return write_table(compared, format == "md", write);
  NamedRows rows({{"schema"},
                  {"index", kSqlCount},
                  {"id"},
                  {"status"},
                  {"model"},
                  {"old_ns", kSqlNumber},
                  {"new_ns", kSqlNumber},
                  {"speed", kSqlNumber},
                  {"low", kSqlNumber},
                  {"high", kSqlNumber},
                  {"verdict"}},
                 "r1_compare", format == "sql", write);
  Json::Array all;
  std::size_t index = 0;
  for (const Comparison& c : compared.tests) {
    Json row = comparison_json(c, index++);
    if (format == "jsonl") write(json_text(row) + "\n");
    if (format == "csv" || format == "sql") rows.add(row);
    if (format == "json") all.push_back(std::move(row));
  }
  if (format == "json") write(json_text(Json(std::move(all))) + "\n");
}

}  // namespace r1
