#include "tools/bench/compare.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/base/lines.h"
#include "tools/bench/machine.h"

namespace r1 {
namespace {

constexpr std::string_view kSchema = "r1.compare/1";

std::string name_of(const PooledTest& t) {
  return t.model.empty() ? t.id : fmt::format("{} of {}", t.id, escaped(t.model));
}

const PooledTest* find(const std::vector<PooledTest>& all, const PooledTest& wanted) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const PooledTest& t) {
    return t.model == wanted.model && t.id == wanted.id;
  });
  return found == all.end() ? nullptr : &*found;
}

std::string string_at(const Json& json, std::string_view key, const std::string& where) {
  const Json* value = json.find(key);
  return value == nullptr || value->is_null() ? std::string() : value->string(where);
}

// One record as a test of its own.
PooledTest read_test(const Json& record, const std::string& where) {
  PooledTest t;
  t.id = record.at("id", where).string(where);
  if (const Json* model = record.find("model"); model != nullptr && model->is_object())
    t.model = std::filesystem::path(string_at(*model, "name", where)).filename().string();
  if (const Json* cpu = record.find("cpu"); cpu != nullptr && cpu->is_object())
    t.cpu = string_at(*cpu, "name", where);
  for (const Json& ns : record.at("samples_ns", where).array(where)) {
    t.samples_ns.push_back(ns.number(where));
    if (!(t.samples_ns.back() > 0)) fail(ErrorKind::decode, "{}: a sample is not positive", where);
  }
  if (const Json* share = record.find("interference"); share != nullptr && share->is_number())
    t.interference = share->number(where);
  return t;
}

void pool(std::vector<PooledTest>& tests, PooledTest&& t) {
  for (PooledTest& known : tests) {
    if (known.model != t.model || known.id != t.id) continue;
    known.samples_ns.insert(known.samples_ns.end(), t.samples_ns.begin(), t.samples_ns.end());
    known.interference = std::max(known.interference, t.interference);
    return;
  }
  tests.push_back(std::move(t));
}

std::string verdict_of(const Ratio& speed) {
  if (!speed.interval) return "unsure";
  if (speed.interval->low > 1) return "faster";
  return speed.interval->high < 1 ? "slower" : "same";
}

Json comparison_json(const Comparison& c) {
  const auto bound = [&](double Ratio::Interval::*member) {
    return c.speed.interval ? Json((*c.speed.interval).*member) : Json();
  };
  return Json(Json::Object{{"schema", Json(std::string(kSchema))},
                           {"id", Json(c.id)},
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
    model = std::max(model, characters(c.model));
    test = std::max(test, characters(c.id));
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

void read_record(const Json& record, const std::string& place, std::vector<PooledTest>& tests) {
  const Json* schema = record.is_object() ? record.find("schema") : nullptr;
  if (schema == nullptr || !schema->is_string() || schema->string(place) != kBenchSchema)
    fail(ErrorKind::decode, "{}: no record of r1-bench", place);
  PooledTest t = read_test(record, place);
  if (!t.samples_ns.empty()) pool(tests, std::move(t));
}

}  // namespace

std::vector<PooledTest> read_tests(std::string_view text, std::string_view where) {
  std::vector<PooledTest> tests;
  if (text.starts_with('[')) {  // --json
    const std::string place = escaped(where);
    const Json document = parse_json(text, place);
    for (const Json& record : document.array(place)) read_record(record, place, tests);
    return tests;
  }
  for_each_line(text, [&](std::string_view line, int number) {
    if (line.empty()) return;
    const std::string place = fmt::format("{}:{}", escaped(where), number);
    read_record(parse_json(line, place), place, tests);
  });
  return tests;
}

bool Comparison::slower_than(double share) const {
  return speed.value < 1 - share && (verdict == "slower" || verdict == "unsure");
}

Compared compare(const std::vector<PooledTest>& before, const std::vector<PooledTest>& after) {
  Compared result;
  for (const PooledTest& old : before) {
    const PooledTest* now = find(after, old);
    if (now == nullptr) {
      result.warnings.push_back(name_of(old) + " is in the old file alone");
      continue;
    }
    Comparison c{old.model, old.id};
    c.old_ns = statistics(old.samples_ns).median;
    c.new_ns = statistics(now->samples_ns).median;
    c.speed = ratio_of(old.samples_ns, now->samples_ns);
    c.verdict = verdict_of(c.speed);
    if (old.cpu != now->cpu)
      result.warnings.push_back(
          fmt::format("{} ran on {} and on {}", name_of(old), escaped(old.cpu), escaped(now->cpu)));
    if (const double most = std::max(old.interference, now->interference); disturbance(most))
      result.warnings.push_back(fmt::format(
          "{}: other processes took up to {:.0f} % of the CPU time", name_of(old), 100 * most));
    result.tests.push_back(std::move(c));
  }
  for (const PooledTest& now : after)
    if (find(before, now) == nullptr)
      result.warnings.push_back(name_of(now) + " is in the new file alone");
  return result;
}

void write_comparison(const Compared& compared, const std::string& format, const Write& write) {
  if (format == "table" || format == "md") return write_table(compared, format == "md", write);
  NamedRows rows({"schema", "id", "model", "old_ns", "new_ns", "speed", "low", "high", "verdict"},
                 "r1_compare", format == "sql", write);
  Json::Array all;
  for (const Comparison& c : compared.tests) {
    Json row = comparison_json(c);
    if (format == "jsonl") write(json_text(row) + "\n");
    if (format == "csv" || format == "sql") rows.add(row);
    if (format == "json") all.push_back(std::move(row));
  }
  if (format == "json") write(json_text(Json(std::move(all))) + "\n");
}

}  // namespace r1
