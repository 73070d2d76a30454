#include "tools/bench/hardware.h"

#include <fmt/format.h>

#include "tools/bench/formats.h"
#include "tools/common/ui.h"

namespace r1 {
namespace {

constexpr std::int64_t kContext = 4096;  // positions that a model is to have room for

// A type of weights: bits each with its scales, and the type its products are made as.
struct WeightType {
  const char* name;
  double bits;
  DType product;
};
constexpr WeightType kTypes[] = {
    {"bf16", 16, DType::bf16}, {"q8_0", 8.5, DType::q8_0}, {"q4_k", 4.5, DType::q8_0}};

double d(std::int64_t n) { return static_cast<double>(n); }

std::string caches_text(const CpuInfo& cpu) {
  std::vector<std::string> parts;
  for (const CpuInfo::Cache& c : cpu.caches) {
    std::string part = fmt::format("L{} {} KiB", c.level, c.bytes >> 10);
    if (c.bytes >= 1 << 20) part = fmt::format("L{} {} MiB", c.level, c.bytes >> 20);
    if (c.shared_by > 1) part += fmt::format(" for {} processors", c.shared_by);
    parts.push_back(part);
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string products_text(const Limits& l) {
  std::vector<std::string> parts;
  for (const auto& [type, rate] : l.products) {
    const bool whole = type == DType::q8_0;
    parts.push_back(fmt::format("{} {} {}", whole ? "int8" : to_string(type), shown_number(rate),
                                whole ? "Gop/s" : "GFLOP/s"));
  }
  if (parts.empty()) return {};  // this device does not say
  return fmt::format("products  {}\n", fmt::join(parts, ", "));
}

std::string rates_text(const Limits& l, int threads) {
  std::string text = fmt::format("read      {} GB/s with one thread", shown_number(l.read_one));
  if (threads > 1) text += fmt::format(", {} with {}", shown_number(l.read_all), threads);
  text += fmt::format("\ncopy      {} GB/s, read and written\n", shown_number(l.copy));
  text += fmt::format("latency   {} ns to memory\n", shown_number(l.latency_ns));
  return text + products_text(l);
}

std::string card_text(const Card& c) {
  std::string text =
      fmt::format("\ncard      {} ({}), {} multiprocessors, {} MiB of cache\n", c.info.name,
                  c.info.architecture, c.info.processors, c.info.cache_bytes >> 20);
  text += fmt::format("driver    {}, knows CUDA {}; runs CUDA {}\n",
                      c.info.driver.empty() ? "unknown" : c.info.driver, c.info.driver_cuda,
                      c.info.cuda);
  text += fmt::format("memory    {}, {} free\n", shown_bytes(static_cast<double>(c.memory.total)),
                      shown_bytes(static_cast<double>(c.memory.free)));
  if (!c.info.link.empty()) text += fmt::format("link      {}, at best\n", c.info.link);
  text += "\nMeasured just now:\n";
  text += fmt::format("copy      {} GB/s, read and written\n", shown_number(c.limits.copy));
  text += products_text(c.limits);
  return text + fmt::format("link      {} GB/s to the card, {} to the host\n",
                            shown_number(c.to_card), shown_number(c.to_host));
}

void add_prospects(std::string& text, const std::vector<Prospect>& all) {
  text += "\nWith these limits a model reads and writes at most so many tokens a second:\n";
  Table table({{"model", 14},
               {"type", 4},
               {"memory", 8, true},
               {"fits", 4},
               {"prefill", 7, true},
               {"decode", 7, true}},
              false, [&](std::string_view line) { text += line; });
  for (const Prospect& p : all)
    table.add({p.model, p.type, shown_bytes(p.memory), p.fits ? "yes" : "no",
               p.prefill > 0 ? shown_number(p.prefill) : "",
               p.decode > 0 ? shown_number(p.decode) : ""});
}

Json number(double x) { return Json(x); }

void add_products(JsonWriter& w, const Limits& limits) {
  w.key("product_gop_per_s").begin_object();
  for (const auto& [type, rate] : limits.products) w.key(to_string(type)).number(rate);
  w.end_object();
}

void add_models(JsonWriter& w, const std::vector<Prospect>& all) {
  w.key("models").begin_array();
  for (const Prospect& p : all) {
    w.begin_object().key("name").string(p.model).key("type").string(p.type);
    w.key("bytes").number(p.memory).key("fits").boolean(p.fits);
    w.key("prefill_tokens_per_s").value(p.prefill > 0 ? number(p.prefill) : Json());
    w.key("decode_tokens_per_s").value(p.decode > 0 ? number(p.decode) : Json()).end_object();
  }
  w.end_array();
}

void add_card(JsonWriter& w, const std::optional<Card>& card) {
  w.key("gpu");
  if (!card) {
    w.null();
    return;
  }
  const auto text = [&](const char* key, const std::string& value) {
    w.key(key).value(value.empty() ? Json() : Json(value));
  };
  w.begin_object();
  text("name", card->info.name);
  text("architecture", card->info.architecture);
  w.key("processors").integer(card->info.processors);
  w.key("cache").integer(static_cast<std::int64_t>(card->info.cache_bytes));
  text("driver", card->info.driver);
  text("driver_cuda", card->info.driver_cuda);
  text("cuda", card->info.cuda);
  text("link", card->info.link);
  w.key("memory").begin_object();
  w.key("bytes").integer(static_cast<std::int64_t>(card->memory.total));
  w.key("available").integer(static_cast<std::int64_t>(card->memory.free)).end_object();
  w.key("measured").begin_object().key("copy_gb_per_s").number(card->limits.copy);
  w.key("to_card_gb_per_s").number(card->to_card).key("to_host_gb_per_s").number(card->to_host);
  add_products(w, card->limits);
  w.end_object();
  add_models(w, prospects(card->limits, static_cast<double>(card->memory.free)));
  w.end_object();
}

void add_cpu(JsonWriter& w, const CpuInfo& cpu) {
  w.key("cpu").begin_object().key("name").string(cpu.name).key("cores").integer(cpu.cores);
  w.key("processors").integer(cpu.processors).key("features").begin_array();
  for (const std::string& f : cpu.features) w.string(f);
  w.end_array().key("caches").begin_array();
  for (const CpuInfo::Cache& c : cpu.caches)
    w.begin_object()
        .key("level")
        .integer(c.level)
        .key("bytes")
        .integer(c.bytes)
        .key("shared_by")
        .integer(c.shared_by)
        .end_object();
  w.end_array().end_object();
}

}  // namespace

Limits measure_limits(Probes& probes) {
  Limits l;
  l.read_all = probes.read_rate(beyond_caches());
  l.copy = l.read_all;
  if (!probes.on_host()) {
    l.products[DType::bf16] = probes.product_rate(DType::bf16);
    return l;
  }
  l.read_one = probes.read_rate_of_one_thread(beyond_caches());
  l.copy = probes.copy_rate(beyond_caches());
  probes.make_ring(beyond_caches());
  l.latency_ns = probes.follow();
  probes.release();
  for (const DType type : {DType::f32, DType::bf16, DType::q8_0})
    if (const double rate = probes.product_rate(type); rate > 0) l.products[type] = rate;
  return l;
}

Card look_at_card(Probes& probes) {
  Card card{.info = probes.backend().info(), .memory = probes.backend().memory()};
  card.limits = measure_limits(probes);
  card.to_card = probes.link_rate(true);
  card.to_host = probes.link_rate(false);
  return card;
}

double ModelShape::layered() const {
  const double attention = d(width) * d(head_dim) * d(2 * heads + 2 * kv_heads);
  return d(layers) * (attention + 3 * d(width) * d(inner));
}
double ModelShape::multiplied() const { return layered() + d(vocab) * d(width); }
double ModelShape::weights() const { return multiplied() + (tied ? 0 : d(vocab) * d(width)); }
double ModelShape::cache_bytes(std::int64_t tokens) const {
  return d(layers) * d(kv_heads) * d(head_dim) * 2 * 2 * d(tokens);
}

// From the config.json of each.
const std::vector<ModelShape>& model_shapes() {
  static const std::vector<ModelShape> shapes = {
      {"Qwen2.5 0.5B", 24, 896, 4864, 14, 2, 64, 151936, true},
      {"TinyLlama 1.1B", 22, 2048, 5632, 32, 4, 64, 32000, false},
      {"Qwen2.5 3B", 36, 2048, 11008, 16, 2, 128, 151936, true},
      {"Llama 3.1 8B", 32, 4096, 14336, 32, 8, 128, 128256, false},
      {"Qwen2.5 14B", 48, 5120, 13824, 40, 8, 128, 152064, false},
      {"Qwen2.5 32B", 64, 5120, 27648, 40, 8, 128, 152064, false},
      {"Llama 3.1 70B", 80, 8192, 28672, 64, 8, 128, 128256, false}};
  return shapes;
}

std::vector<Prospect> prospects(const Limits& limits, double available) {
  std::vector<Prospect> all;
  for (const ModelShape& shape : model_shapes())
    for (const WeightType& type : kTypes) {
      Prospect p{shape.name, type.name};
      p.memory = 1.1 * shape.weights() * type.bits / 8 + shape.cache_bytes(kContext);
      p.fits = p.memory <= available;
      if (limits.read_all > 0)
        p.decode = limits.read_all * 1e9 / (shape.multiplied() * type.bits / 8);
      auto rate = limits.products.find(type.product);
      if (rate == limits.products.end()) rate = limits.products.find(DType::bf16);  // on a card
      if (rate != limits.products.end()) p.prefill = rate->second * 1e9 / (2 * shape.layered());
      all.push_back(std::move(p));
    }
  return all;
}

std::string hardware_text(const Hardware& h) {
  const CpuInfo& cpu = h.cpu;
  std::string text =
      fmt::format("cpu       {}, {} cores, {} processors\n",
                  cpu.name.empty() ? "unknown" : cpu.name, cpu.cores, cpu.processors);
  if (!cpu.features.empty()) text += fmt::format("features  {}\n", fmt::join(cpu.features, " "));
  if (!cpu.caches.empty()) text += "caches    " + caches_text(cpu) + "\n";
  text += fmt::format("memory    {}, {} free\n", shown_bytes(d(cpu.memory_bytes)),
                      shown_bytes(d(h.available)));
  text += fmt::format("runs on   {}\n\nMeasured just now:\n", h.device);
  text += rates_text(h.limits, h.threads);
  add_prospects(text, prospects(h.limits, d(h.available)));
  if (!h.card) return text;
  text += card_text(*h.card);
  add_prospects(text, prospects(h.card->limits, static_cast<double>(h.card->memory.free)));
  return text;
}

std::string hardware_json(const Hardware& h) {
  JsonWriter w;
  w.begin_object().key("schema").string("r1.hardware/1").key("time").string(utc_now());
  add_cpu(w, h.cpu);
  add_card(w, h.card);
  w.key("memory").begin_object().key("bytes").integer(h.cpu.memory_bytes);
  w.key("available").integer(h.available).end_object();
  w.key("device").string(h.device).key("threads").integer(h.threads);
  w.key("measured").begin_object().key("read_gb_per_s_1_thread").number(h.limits.read_one);
  w.key("read_gb_per_s").number(h.limits.read_all).key("copy_gb_per_s").number(h.limits.copy);
  w.key("latency_ns").number(h.limits.latency_ns);
  add_products(w, h.limits);
  w.end_object();
  add_models(w, prospects(h.limits, d(h.available)));
  return w.end_object().text() + "\n";
}

}  // namespace r1
