#include "tools/bench/hardware.h"

#include <fmt/format.h>

#include "tools/bench/formats.h"

namespace r1 {
namespace {

constexpr double kLarge = 256 << 20;     // bytes: more than caches hold
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

std::string rates_text(const Limits& l, int threads) {
  std::string text = fmt::format("read      {} GB/s with one thread", shown_number(l.read_one));
  if (threads > 1) text += fmt::format(", {} with {}", shown_number(l.read_all), threads);
  text += fmt::format("\ncopy      {} GB/s, read and written\n", shown_number(l.copy));
  text += fmt::format("latency   {} ns to memory\nproducts ", shown_number(l.latency_ns));
  for (const auto& [type, rate] : l.products)
    text += fmt::format(" {} {} {}{}", type == DType::q8_0 ? "int8" : to_string(type),
                        shown_number(rate), type == DType::q8_0 ? "Gop/s" : "GFLOP/s",
                        type == l.products.rbegin()->first ? "" : ",");
  return text + "\n";
}

Json number(double x) { return Json(x); }

}  // namespace

Limits measure_limits(Probes& probes) {
  Limits l;
  l.read_all = probes.read_rate(kLarge);
  if (l.read_all > 0) {
    l.read_one = probes.read_rate_of_one_thread(kLarge);
    l.copy = probes.copy_rate(kLarge);
    probes.make_ring(kLarge);
    l.latency_ns = probes.follow();
    probes.release();
  }
  for (const DType type : {DType::f32, DType::bf16, DType::q8_0})
    if (const double rate = probes.product_rate(type); rate > 0) l.products[type] = rate;
  return l;
}

double ModelShape::multiplied() const {
  const double attention = d(width) * d(head_dim) * d(2 * heads + 2 * kv_heads);
  return d(layers) * (attention + 3 * d(width) * d(inner)) + d(vocab) * d(width);
}
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
      const auto rate = limits.products.find(type.product);
      if (rate != limits.products.end()) p.prefill = rate->second * 1e9 / (2 * shape.multiplied());
      all.push_back(std::move(p));
    }
  return all;
}

std::string hardware_text(const CpuInfo& cpu, const std::string& device, const Limits& limits,
                          std::int64_t available, int threads) {
  std::string text =
      fmt::format("cpu       {}, {} cores, {} processors\n",
                  cpu.name.empty() ? "unknown" : cpu.name, cpu.cores, cpu.processors);
  if (!cpu.features.empty()) text += fmt::format("features  {}\n", fmt::join(cpu.features, " "));
  if (!cpu.caches.empty()) text += "caches    " + caches_text(cpu) + "\n";
  text += fmt::format("memory    {}, {} free\n", shown_bytes(d(cpu.memory_bytes)),
                      shown_bytes(d(available)));
  text += fmt::format("runs on   {}\n\nMeasured just now:\n", device);
  text += rates_text(limits, threads);
  text += "\nWith these limits a model reads and writes at most so many tokens a second:\n";
  Table table({{"model", 14},
               {"type", 4},
               {"memory", 8, true},
               {"fits", 4},
               {"prefill", 7, true},
               {"decode", 7, true}},
              false, [&](std::string_view line) { text += line; });
  for (const Prospect& p : prospects(limits, d(available)))
    table.add({p.model, p.type, shown_bytes(p.memory), p.fits ? "yes" : "no",
               p.prefill > 0 ? shown_number(p.prefill) : "",
               p.decode > 0 ? shown_number(p.decode) : ""});
  return text;
}

std::string hardware_json(const CpuInfo& cpu, const std::string& device, const Limits& limits,
                          std::int64_t available, int threads) {
  JsonWriter w;
  w.begin_object().key("schema").string("r1.hardware/1").key("time").string(now_rfc3339());
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
  w.end_array().end_object().key("gpu").null();
  w.key("memory").begin_object().key("bytes").integer(cpu.memory_bytes);
  w.key("available").integer(available).end_object();
  w.key("device").string(device).key("threads").integer(threads);
  w.key("measured").begin_object().key("read_gb_per_s_1_thread").number(limits.read_one);
  w.key("read_gb_per_s").number(limits.read_all).key("copy_gb_per_s").number(limits.copy);
  w.key("latency_ns").number(limits.latency_ns).key("product_gop_per_s").begin_object();
  for (const auto& [type, rate] : limits.products) w.key(to_string(type)).number(rate);
  w.end_object().end_object().key("models").begin_array();
  for (const Prospect& p : prospects(limits, d(available))) {
    w.begin_object().key("name").string(p.model).key("type").string(p.type);
    w.key("bytes").number(p.memory).key("fits").boolean(p.fits);
    w.key("prefill_tokens_per_s").value(p.prefill > 0 ? number(p.prefill) : Json());
    w.key("decode_tokens_per_s").value(p.decode > 0 ? number(p.decode) : Json()).end_object();
  }
  return w.end_array().end_object().text() + "\n";
}

}  // namespace r1
