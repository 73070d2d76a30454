// Records as each of the formats wants them.
#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "tools/bench/formats.h"
#include "tools/bench/machine.h"
#include "tools/bench/statistics.h"

namespace r1 {
namespace {

std::string shown_share(const BenchRecord& r) {
  const auto share = r.share_of_peak();
  return share ? fmt::format("{:.0f}% of {}", 100 * *share, r.limit->name) : std::string();
}

// The figure that says most of a test: tokens, operations or bytes in a second.
std::string shown_speed(const BenchRecord& r) {
  if (const auto tokens = r.tokens_per_s()) return shown_number(*tokens) + " tok/s";
  const bool multiplies = r.tflop_per_s && (!r.limit || r.limit->name != "memory");
  if (multiplies) return shown_number(*r.tflop_per_s * 1e3) + " GFLOP/s";
  return r.gb_per_s ? shown_number(*r.gb_per_s) + " GB/s" : std::string();
}

// What stands in place of figures.
std::string shown_failure(const BenchRecord& r) {
  if (r.skipped) return "skipped";
  return r.error_code == code(ErrorKind::interrupted) ? "stopped" : "failed";
}

// table and md.
class TableOfRecords : public RecordWriter {
 public:
  TableOfRecords(const std::vector<Planned>& planned, bool priced, bool markdown, Write write)
      : priced_(priced),
        markdown_(markdown),
        write_(std::move(write)),
        table_(columns(planned), markdown, write_) {}

  void add(const BenchRecord& r) override {
    if (r.serve) served_.push_back(r);
    std::vector<std::string> cells = names_of(r);
    if (r.samples_ns.empty()) {
      cells.push_back(shown_failure(r));
      cells.resize(cells.size() + 2 + (limited_ ? 1 : 0) + (priced_ ? 1 : 0));
    } else {
      const Statistics s = statistics(r.samples_ns);
      cells.push_back(shown_time(s.median));
      cells.push_back(r.samples_ns.size() < 2 ? ""
                                              : fmt::format("{:.1f}%", 100 * s.stddev / s.mean));
      cells.push_back(shown_speed(r));
      if (limited_) cells.push_back(shown_share(r));
      if (priced_) {
        const auto price = r.price_per_million();
        cells.push_back(price ? shown_number(*price) : std::string());
      }
    }
    table_.add(cells);
  }

  // What waiting was like, of requests that were served.
  void end() override {
    if (served_.empty()) return;
    write_("\n");
    std::vector<Column> all = names_;
    all.insert(all.end(), {{"first token p50", 15, true},
                           {"p90", 8, true},
                           {"p99", 8, true},
                           {"each token p50", 14, true},
                           {"p90", 8, true},
                           {"p99", 8, true},
                           {"over static", 19, true}});
    Table latencies(all, markdown_, write_);
    for (const BenchRecord& r : served_) {
      std::vector<std::string> cells = names_of(r);
      for (const auto& p : {std::optional(r.serve->ttft_ms), r.serve->per_token_ms})
        for (const auto share : {&Percentiles::p50, &Percentiles::p90, &Percentiles::p99})
          cells.push_back(p ? shown_time(*p.*share * 1e6) : std::string());
      cells.push_back(shown_over(*r.serve));
      latencies.add(cells);
    }
  }

 private:
  static std::string shown_over(const ServeInfo& s) {
    if (!s.over_static) return {};
    const OverStatic& o = *s.over_static;
    if (!o.low || !o.high) return fmt::format("{:.2f}×", o.ratio);
    return fmt::format("{:.2f}× ({:.2f}–{:.2f})", o.ratio, *o.low, *o.high);
  }

  std::vector<Column> columns(const std::vector<Planned>& planned) {
    std::size_t model = 0, test = 0;
    for (const Planned& p : planned) {
      model = std::max(model, characters(escaped(p.model)));
      test = std::max(test, characters(escaped(p.id)));
    }
    limited_ =
        std::any_of(planned.begin(), planned.end(), [](const Planned& p) { return p.limited; });
    if (model > 0) names_.push_back({"model", model});
    priced_ = priced_ && model > 0;  // only they make tokens
    names_.push_back({"test", test});
    std::vector<Column> all = names_;
    all.insert(all.end(), {{"time", 8, true}, {"±", 5, true}, {"speed", 13, true}});
    if (limited_) all.push_back({"share of peak", 15, true});
    if (priced_) all.push_back({"price/1M", 8, true});
    return all;
  }

  // What tells records apart, in both tables.
  std::vector<std::string> names_of(const BenchRecord& r) const {
    if (names_.size() == 1) return {r.id};
    return {shown_model(r), r.id};
  }

  std::vector<Column> names_;
  bool limited_ = true;  // some of them
  bool priced_, markdown_;
  Write write_;
  std::vector<BenchRecord> served_;
  Table table_;
};

// The same of texts that were predicted: values with their standard errors.
class TableOfQuality : public RecordWriter {
 public:
  TableOfQuality(const std::vector<Planned>& planned, bool markdown, Write write)
      : columns_(columns(planned)), table_(columns_, markdown, std::move(write)) {}

  void add(const BenchRecord& r) override {
    std::vector<std::string> cells = {shown_model(r), r.quality ? r.test.kv_type : ""};
    if (r.quality) {
      const QualityInfo& q = *r.quality;
      cells.push_back(shown(q.perplexity, q.perplexity.value < 1000 ? 3 : 0));
      cells.push_back(shown(q.bits_per_byte, 4));
      cells.push_back(shown_percent(q.accuracy));
      if (q.base) {
        cells.push_back(shown(q.base->perplexity, 4));
        cells.push_back(shown(q.base->kl, digits_of(q.base->kl)));
        cells.push_back(shown_percent(q.base->top1));
      }
    } else {
      cells.push_back(shown_failure(r));
    }
    cells.resize(columns_.size());
    table_.add(cells);
  }

 private:
  static std::vector<Column> columns(const std::vector<Planned>& planned) {
    std::size_t model = 0;
    for (const Planned& p : planned) model = std::max(model, characters(escaped(p.model)));
    std::vector<Column> all = {{"model", model},
                               {"cache", 5},
                               {"perplexity", 17, true},
                               {"bits per byte", 15, true},
                               {"accuracy", 14, true}};
    if (std::any_of(planned.begin(), planned.end(),
                    [](const Planned& p) { return p.against_base; }))
      all.insert(all.end(),
                 {{"over base", 15, true}, {"KL to base", 19, true}, {"same top 1", 14, true}});
    return all;
  }

  // Decimals that show one digit of the error, or three of what has none.
  static int digits_of(const Estimate& e) {
    const double least = e.error && *e.error > 0 ? *e.error : std::abs(e.value) / 100;
    return least > 0 ? std::clamp(-static_cast<int>(std::floor(std::log10(least))), 5, 12) : 5;
  }
  static std::string shown(const Estimate& e, int decimals) {
    if (!e.error) return fmt::format("{:.{}f}", e.value, decimals);
    return fmt::format("{:.{}f} ± {:.{}f}", e.value, decimals, *e.error, decimals);
  }
  static std::string shown_percent(const Estimate& e) {
    if (!e.error) return fmt::format("{:.2f}%", 100 * e.value);
    return fmt::format("{:.2f} ± {:.2f}%", 100 * e.value, 100 * *e.error);
  }

  std::vector<Column> columns_;
  Table table_;
};

class JsonLines : public RecordWriter {
 public:
  explicit JsonLines(Write write) : write_(std::move(write)) {}
  void add(const BenchRecord& r) override { write_(json_text(to_json(r)) + "\n"); }

 private:
  Write write_;
};

class JsonDocument : public RecordWriter {
 public:
  explicit JsonDocument(Write write) : write_(std::move(write)) {}
  void add(const BenchRecord& r) override {
    write_((first_ ? "[\n" : ",\n") + json_text(to_json(r)));
    first_ = false;
  }
  void end() override { write_(first_ ? "[]\n" : "\n]\n"); }

 private:
  Write write_;
  bool first_ = true;
};

class RowsOfRecords : public RecordWriter {
 public:
  RowsOfRecords(bool sql, Write write)
      : rows_(record_columns(), "r1_bench", sql, std::move(write)) {}
  void add(const BenchRecord& r) override { rows_.add(to_json(r)); }

 private:
  NamedRows rows_;
};

// Go's benchmark lines, one a sample: what benchstat compares. Failed tests have none.
class Benchstat : public RecordWriter {
 public:
  explicit Benchstat(Write write) : write_(std::move(write)) {}

  void add(const BenchRecord& r) override {
    if (!begun_)
      write_(fmt::format("goos: linux\ngoarch: {}\npkg: r1\ncpu: {}\n", kArchitecture,
                         cpu_info().name));
    begun_ = true;
    std::string name = r.id;
    name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
    if (r.model) name += "/model=" + shown_model(r);
    std::replace_if(  // space, and what could be taken for it
        name.begin(), name.end(), [](unsigned char c) { return c <= ' '; }, '_');
    for (const double ns : r.samples_ns) {
      std::string line = fmt::format("Benchmark{} {} {:.1f} ns/op", name, r.test.iterations, ns);
      if (r.tokens > 0) line += fmt::format(" {:.3f} tok/s", r.tokens * 1e9 / ns);
      if (r.gb_per_s) line += fmt::format(" {:.3f} GB/s", *r.gb_per_s * r.median_ns() / ns);
      write_(line + "\n");
    }
  }

 private:
#if defined(__aarch64__)
  static constexpr const char* kArchitecture = "arm64";
#else
  static constexpr const char* kArchitecture = "amd64";
#endif
  Write write_;
  bool begun_ = false;
};

}  // namespace

const std::vector<NamedColumn>& record_columns() {
  static const std::vector<NamedColumn> columns = {{"schema"},
                                                   {"index", kSqlCount},
                                                   {"id"},
                                                   {"status"},
                                                   {"build.version"},
                                                   {"build.commit"},
                                                   {"build.compiler"},
                                                   {"build.cpu_levels"},
                                                   {"cpu.name"},
                                                   {"cpu.cores", kSqlCount},
                                                   {"cpu.processors", kSqlCount},
                                                   {"cpu.memory", kSqlCount},
                                                   {"gpu"},
                                                   {"driver"},
                                                   {"cuda"},
                                                   {"model.name"},
                                                   {"model.digest"},
                                                   {"model.quant"},
                                                   {"model.bytes", kSqlCount},
                                                   {"model.parameters", kSqlCount},
                                                   {"test.kind"},
                                                   {"test.prompt_tokens", kSqlCount},
                                                   {"test.max_tokens", kSqlCount},
                                                   {"test.depth", kSqlCount},
                                                   {"test.batch_size", kSqlCount},
                                                   {"test.device"},
                                                   {"test.dtype"},
                                                   {"test.kv_type"},
                                                   {"test.iterations", kSqlCount},
                                                   {"samples_ns"},
                                                   {"mean", kSqlNumber},
                                                   {"median", kSqlNumber},
                                                   {"stddev", kSqlNumber},
                                                   {"min", kSqlNumber},
                                                   {"max", kSqlNumber},
                                                   {"tokens_per_s", kSqlNumber},
                                                   {"ttft_ns", kSqlNumber},
                                                   {"load_ns", kSqlNumber},
                                                   {"gb_per_s", kSqlNumber},
                                                   {"tflop_per_s", kSqlNumber},
                                                   {"share_of_peak", kSqlNumber},
                                                   {"limit.name"},
                                                   {"limit.gb_per_s", kSqlNumber},
                                                   {"limit.tflop_per_s", kSqlNumber},
                                                   {"limit.floor_ns", kSqlNumber},
                                                   {"peak_rss", kSqlCount},
                                                   {"peak_vram", kSqlCount},
                                                   {"interference", kSqlNumber},
                                                   {"price_per_million_tokens", kSqlNumber},
                                                   {"serve"},
                                                   {"quality.text"},
                                                   {"quality.window", kSqlCount},
                                                   {"quality.tokens", kSqlCount},
                                                   {"quality.bytes", kSqlCount},
                                                   {"quality.perplexity", kSqlNumber},
                                                   {"quality.perplexity_se", kSqlNumber},
                                                   {"quality.bits_per_byte", kSqlNumber},
                                                   {"quality.bits_per_byte_se", kSqlNumber},
                                                   {"quality.accuracy", kSqlNumber},
                                                   {"quality.accuracy_se", kSqlNumber},
                                                   {"quality.base"},
                                                   {"quality.perplexity_ratio", kSqlNumber},
                                                   {"quality.perplexity_ratio_se", kSqlNumber},
                                                   {"quality.kl", kSqlNumber},
                                                   {"quality.kl_se", kSqlNumber},
                                                   {"quality.top1", kSqlNumber},
                                                   {"quality.top1_se", kSqlNumber},
                                                   {"output_digest"},
                                                   {"time"},
                                                   {"warnings"},
                                                   {"error.code"},
                                                   {"error.message"},
                                                   {"error.retryable", "boolean"}};
  return columns;
}

std::unique_ptr<RecordWriter> record_writer(const std::string& format,
                                            const std::vector<Planned>& planned, bool priced,
                                            Write write) {
  const bool quality =
      std::any_of(planned.begin(), planned.end(), [](const Planned& p) { return p.quality; });
  if (quality && (format == "table" || format == "md"))
    return std::make_unique<TableOfQuality>(planned, format == "md", std::move(write));
  if (format == "table" || format == "md")
    return std::make_unique<TableOfRecords>(planned, priced, format == "md", std::move(write));
  if (format == "json") return std::make_unique<JsonDocument>(std::move(write));
  if (format == "jsonl") return std::make_unique<JsonLines>(std::move(write));
  if (format == "benchstat") return std::make_unique<Benchstat>(std::move(write));
  return std::make_unique<RowsOfRecords>(format == "sql", std::move(write));
}

}  // namespace r1
