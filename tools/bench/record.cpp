#include "tools/bench/record.h"

#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "lib/base/paths.h"
#include "tools/bench/machine.h"
#include "tools/common/program.h"

namespace r1 {
namespace {

constexpr double kSecond = 1e9, kHour = 3600, kMillion = 1e6;

Json null() { return Json(); }
Json text(const std::string& s) { return s.empty() ? null() : Json(s); }
// Whole numbers without a point or an exponent, as people write nanoseconds and bytes.
Json number(double x) {
  constexpr double kExact = 1e15;
  const bool whole = std::abs(x) < kExact && x == std::floor(x);
  return whole ? Json(static_cast<std::int64_t>(x)) : Json(x);
}
Json integer(std::int64_t n) { return Json(n); }
Json maybe(const std::optional<double>& x) { return x ? number(*x) : null(); }
Json maybe(const std::optional<std::int64_t>& n) { return n ? integer(*n) : null(); }
Json object(Json::Object members) { return Json(std::move(members)); }

Json build_json() {
  const BuildInfo& b = build_info();
  return object({{"version", text(b.version)},
                 {"commit", text(b.commit)},
                 {"compiler", text(b.compiler)},
                 {"cpu_levels", text(b.cpu_levels)}});
}

Json cpu_json() {
  const CpuInfo& cpu = cpu_info();
  return object({{"name", text(cpu.name)},
                 {"cores", integer(cpu.cores)},
                 {"processors", integer(cpu.processors)},
                 {"memory", integer(cpu.memory_bytes)}});
}

Json model_json(const std::optional<MeasuredModel>& m) {
  if (!m) return null();
  return object({{"name", text(m->name)},
                 {"digest", text(m->digest)},
                 {"quant", text(m->quant)},
                 {"bytes", integer(m->bytes)},
                 {"parameters", integer(m->parameters)}});
}

Json test_json(const TestInfo& t) {
  return object({{"kind", text(t.kind)},
                 {"prompt_tokens", maybe(t.prompt_tokens)},
                 {"max_tokens", maybe(t.max_tokens)},
                 {"depth", maybe(t.depth)},
                 {"batch_size", maybe(t.batch_size)},
                 {"device", text(t.device)},
                 {"dtype", text(t.dtype)},
                 {"kv_type", text(t.kv_type)},
                 {"iterations", integer(t.iterations)}});
}

Json limit_json(const std::optional<Limit>& l) {
  if (!l) return null();
  return object({{"name", text(l->name)},
                 {"gb_per_s", number(l->gb_per_s)},
                 {"tflop_per_s", number(l->tflop_per_s)},
                 {"floor_ns", number(l->floor_ns)}});
}

Json percentiles_json(const std::optional<Percentiles>& p) {
  if (!p) return null();
  return object({{"p50", number(p->p50)}, {"p90", number(p->p90)}, {"p99", number(p->p99)}});
}

Json serve_json(const std::optional<ServeInfo>& s) {
  if (!s) return null();
  Json over = null();
  if (const auto& o = s->over_static)
    over = object({{"ratio", number(o->ratio)}, {"low", maybe(o->low)}, {"high", maybe(o->high)}});
  return object({{"requests", integer(s->requests)},
                 {"rate", number(s->rate)},
                 {"lengths", text(s->lengths)},
                 {"seed", integer(s->seed)},
                 {"ttft_ms", percentiles_json(s->ttft_ms)},
                 {"per_token_ms", percentiles_json(s->per_token_ms)},
                 {"over_static", std::move(over)}});
}

Json quality_json(const std::optional<QualityInfo>& q) {
  if (!q) return null();
  Json::Object o = {{"text", text(q->text)},
                    {"window", integer(q->window)},
                    {"tokens", integer(q->tokens)},
                    {"bytes", integer(q->bytes)}};
  const auto add = [&](const std::string& name, const std::optional<Estimate>& e) {
    o.emplace_back(name, e ? number(e->value) : null());
    o.emplace_back(name + "_se", e ? maybe(e->error) : null());
  };
  add("perplexity", q->perplexity);
  add("bits_per_byte", q->bits_per_byte);
  add("accuracy", q->accuracy);
  const auto of_base = [&](Estimate QualityInfo::AgainstBase::*member) {
    return q->base ? std::optional((*q->base).*member) : std::nullopt;
  };
  o.emplace_back("base", q->base ? text(q->base->name) : null());
  add("perplexity_ratio", of_base(&QualityInfo::AgainstBase::perplexity));
  add("kl", of_base(&QualityInfo::AgainstBase::kl));
  add("top1", of_base(&QualityInfo::AgainstBase::top1));
  return object(std::move(o));
}

Json error_json(const BenchRecord& r) {
  if (!r.failed()) return null();
  return object({{"code", text(r.error_code)},
                 {"message", text(r.error)},
                 {"retryable", Json(r.error_retryable)}});
}

void add_samples(Json::Object& o, const BenchRecord& r) {
  Json::Array samples;
  for (const double ns : r.samples_ns) samples.push_back(number(ns));
  o.emplace_back("samples_ns", Json(std::move(samples)));
  std::optional<Statistics> s;
  if (!r.samples_ns.empty()) s = statistics(r.samples_ns);
  const auto add = [&](const char* name, double Statistics::*member) {
    o.emplace_back(name, s ? number((*s).*member) : null());
  };
  add("mean", &Statistics::mean);
  add("median", &Statistics::median);
  add("stddev", &Statistics::stddev);
  add("min", &Statistics::min);
  add("max", &Statistics::max);
}

void add_figures(Json::Object& o, const BenchRecord& r) {
  o.emplace_back("tokens_per_s", maybe(r.tokens_per_s()));
  o.emplace_back("ttft_ns", maybe(r.ttft_ns));
  o.emplace_back("load_ns", maybe(r.load_ns));
  o.emplace_back("gb_per_s", maybe(r.gb_per_s));
  o.emplace_back("tflop_per_s", maybe(r.tflop_per_s));
  o.emplace_back("share_of_peak", maybe(r.share_of_peak()));
  o.emplace_back("limit", limit_json(r.limit));
  o.emplace_back("peak_rss", maybe(r.peak_rss));
  o.emplace_back("peak_vram", maybe(r.peak_vram));
  o.emplace_back("interference", maybe(r.interference));
  o.emplace_back("price_per_million_tokens", maybe(r.price_per_million()));
}

}  // namespace

double BenchRecord::median_ns() const { return statistics(samples_ns).median; }

std::optional<double> BenchRecord::tokens_per_s() const {
  if (samples_ns.empty() || tokens <= 0) return std::nullopt;
  return tokens * kSecond / median_ns();
}

std::optional<double> BenchRecord::share_of_peak() const {
  if (samples_ns.empty() || !limit || !(limit->floor_ns > 0)) return std::nullopt;
  return limit->floor_ns / median_ns();
}

std::optional<double> BenchRecord::price_per_million() const {
  const auto rate = tokens_per_s();
  if (!rate || !price_per_hour) return std::nullopt;
  return *price_per_hour / kHour / *rate * kMillion;
}

Json to_json(const BenchRecord& r) {
  Json::Object o = {{"schema", Json(std::string(kBenchSchema))},
                    {"index", integer(r.index)},
                    {"id", text(r.id)},
                    {"status", text(r.failed()  ? "error"
                                    : r.skipped ? "skipped"
                                                : "ok")},
                    {"build", build_json()},
                    {"cpu", cpu_json()},
                    {"gpu", text(r.card.name)},
                    {"driver", text(r.card.driver)},
                    {"cuda", text(r.card.cuda)},
                    {"model", model_json(r.model)},
                    {"test", test_json(r.test)}};
  add_samples(o, r);
  add_figures(o, r);
  o.emplace_back("serve", serve_json(r.serve));
  o.emplace_back("quality", quality_json(r.quality));
  o.emplace_back("output_digest", text(r.output_digest));
  o.emplace_back("time", text(r.time));
  Json::Array warnings;
  for (const std::string& w : r.warnings) warnings.push_back(text(w));
  o.emplace_back("warnings", Json(std::move(warnings)));
  o.emplace_back("error", error_json(r));
  return Json(std::move(o));
}

std::string json_text(const Json& json) { return JsonWriter().value(json).text(); }

std::string short_name(const std::string& model) {
  return without_slash(model).filename().string();
}

std::string shown_model(const BenchRecord& r) {
  if (!r.model) return {};
  std::string name = short_name(r.model->name);
  if (r.model->quant.empty()) return name;
  return fmt::format("{} ({})", name, r.model->quant);
}

}  // namespace r1
