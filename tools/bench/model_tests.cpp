#include "tools/bench/model_tests.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/paths.h"
#include "lib/base/sha256.h"
#include "lib/models/decoder_config.h"
#include "tools/bench/ranges.h"
#include "tools/bench/stepper.h"
#include "tools/common/models.h"
#include "tools/common/signals.h"

namespace r1 {
namespace {

constexpr std::int64_t kMost = 10'000'000;  // checked in check()

std::string digest_of(std::span<const float> logits) {
  return sha256_hex(std::as_bytes(logits)).substr(0, 16);
}

// Is this matrix the one that logits are made with? A tied one is the embedding itself.
bool is_head(const std::string& name, bool tied) {
  return tied ? name.find("embd") != std::string::npos || name.find("embed") != std::string::npos
              : name == "lm_head.weight" || name == "output.weight";
}

}  // namespace

std::string ModelTest::id() const {
  std::string text = fmt::format("{}{}", decode ? "tg" : "pp", tokens);
  if (depth > 0) text += fmt::format("@d{}", depth);
  if (batch > 1) text += fmt::format("{}b{}", depth > 0 ? "," : "@", batch);
  return text;
}

std::vector<ModelTest> model_tests(const BenchSettings& s) {
  std::vector<ModelTest> tests;
  for (const bool decode : {false, true})
    for (const std::int64_t batch : parse_ranges(s.batch_size, "--batch-size", 1, kMost))
      for (const std::int64_t depth : parse_ranges(s.depth, "--depth", 0, kMost))
        for (const std::int64_t tokens :
             parse_ranges(decode ? s.max_tokens : s.prompt_tokens, "tokens", 0, kMost))
          if (tokens > 0) tests.push_back({decode, tokens, depth, batch});
  if (tests.empty())
    fail(ErrorKind::usage, "--prompt-tokens and -n are 0: there is nothing to measure");
  return tests;
}

// Weights as they lie on the backend; vectors are too small to count.
ModelWork::ModelWork(const LoadedModel& model, Device device, DType sixteen_bit_type)
    : chunk_(default_chunk_tokens(device)) {
  const DecoderConfig config = read_decoder_config(*model.files);
  for (const auto& [name, var] : model.params->taken()) {
    const Tensor& w = var.value;
    parameters_ += w.shape.elements();
    if (!w.packed && !is_quantized(w.dtype)) continue;
    const auto elements = static_cast<double>(w.shape.elements());
    const bool vocabulary = w.shape == Shape{config.vocab, config.width};
    if (vocabulary && is_head(name, config.tied)) {
      head_type_ = w.dtype;
      head_ = elements;
      head_bytes_ = static_cast<double>(w.bytes());
    } else if (!vocabulary) {
      layers_[w.dtype] += elements;
      bytes_ += static_cast<double>(w.bytes());
    }
  }
  const DecoderConfig::Attention& a = config.attention;
  const auto width = static_cast<double>(a.head_dim);
  past_bytes_ = static_cast<double>(a.kv_heads) * width * 2 /
                static_cast<double>(block_elements(model.kv_dtype)) *
                static_cast<double>(block_bytes(model.kv_dtype));
  past_type_ = past_products(model.kv_dtype, sixteen_bit_type);
  past_operations_ = static_cast<double>(a.heads) * width * 4;  // two products
  windows_ = a.window;
  windows_.resize(static_cast<std::size_t>(config.layers), 0);
}

double ModelWork::past_of(std::int64_t tokens, std::int64_t depth) const {
  double past = 0;
  for (const std::int64_t window : windows_) {
    const std::int64_t growing =
        window == 0 ? tokens : std::clamp<std::int64_t>(window - depth, 0, tokens);
    const auto n = static_cast<double>(growing);
    past += n * static_cast<double>(depth) + n * (n + 1) / 2 +
            static_cast<double>((tokens - growing) * window);
  }
  return past;
}

Work ModelWork::of(double steps, double rows, double wanted, double past) const {
  Work work;
  if (layers_.empty()) return work;  // ref packs none: what is multiplied is not known
  for (const auto& [type, weights] : layers_) work.operations[type] = 2 * weights * rows;
  work.operations[head_type_] += 2 * head_ * wanted;
  work.operations[past_type_] += past_operations_ * past;
  work.bytes = (bytes_ + head_bytes_) * steps;
  work.reread = bytes_ + head_bytes_;
  return work;
}

// A past that many rows look at together is read once; it does not count beside the products.
Work ModelWork::prefill(std::int64_t tokens, std::int64_t depth, std::int64_t batch) const {
  const auto rows = static_cast<double>(tokens * batch);
  const std::int64_t most = std::max<std::int64_t>(1, chunk_ / batch);  // as Stepper::read
  const std::int64_t steps = (tokens + most - 1) / most;
  return of(static_cast<double>(steps), rows, static_cast<double>(batch),
            past_of(tokens, depth) * static_cast<double>(batch));
}

Work ModelWork::decode(std::int64_t tokens, std::int64_t depth, std::int64_t batch) const {
  const auto sequences = static_cast<double>(batch), steps = static_cast<double>(tokens);
  const double past = past_of(tokens, depth) * sequences;
  Work work = of(steps, steps * sequences, steps * sequences, past);
  if (work.bytes > 0) work.bytes += past_bytes_ * past;
  return work;
}

std::string measured_name(const BenchSettings& s, const std::string& name, bool as_base) {
  return adapted_name(name, as_base ? "" : s.adapter);
}

MeasuredNetwork::MeasuredNetwork(Backend& backend, const BenchSettings& s, const std::string& name,
                                 const std::filesystem::path& path, bool as_base)
    : backend_(backend) {
  const auto start = Clock::now();
  const std::string adapter = as_base ? "" : s.adapter;
  model_ = load_model_with_text(backend, name, path,
                                {.dtype = s.dtype,
                                 .kv_type = as_base ? "auto" : s.kv_type,
                                 .use_mmap = !s.no_mmap,
                                 .data_dir = data_folder(),
                                 .adapter = adapter,
                                 .gpu_memory = s.gpu_memory});
  load_ns_ = nanoseconds_since(start);
  info_ = {measured_name(s, name, as_base), adapted_digest(model_.files->digest(), adapter),
           model_.quant, static_cast<std::int64_t>(model_.files->total_bytes()),
           ModelWork(model_, backend_.device()).parameters()};
}

BenchRecord MeasuredNetwork::record() const {
  BenchRecord r;
  r.model = info_;
  r.load_ns = load_ns_;
  r.test.device = backend_.describe();
  r.test.dtype = to_string(model_.compute);
  r.test.kv_type = to_string(model_.kv_dtype);
  return r;
}

Runnable MeasuredNetwork::runnable(const ModelTest& t) const {
  Runnable r{.record = record()};
  r.record.id = t.id();
  r.record.test.kind = t.decode ? "decode" : "prefill";
  (t.decode ? r.record.test.max_tokens : r.record.test.prompt_tokens) = t.tokens;
  r.record.test.depth = t.depth;
  r.record.test.batch_size = t.batch;
  r.record.tokens = static_cast<double>(t.tokens * t.batch);
  const ModelWork work(model_, backend_.device(), backend_.sixteen_bit_type());
  r.work =
      t.decode ? work.decode(t.tokens, t.depth, t.batch) : work.prefill(t.tokens, t.depth, t.batch);
  const auto stepper = std::make_shared<Stepper>(backend_, *model_.network, model_.kv_dtype,
                                                 t.batch, t.depth + t.tokens, model_.low_ranks());
  if (t.depth > 0) stepper->read(t.batch, t.depth, 0);
  if (t.decode)
    r.run = [stepper, t] {
      for (std::int64_t i = 0; i < t.tokens; ++i) {
        stop_when_interrupted();
        stepper->step(t.batch, 1, t.depth + i);
      }
    };
  else
    r.run = [stepper, t] { stepper->read(t.batch, t.tokens, t.depth); };
  r.finish = [stepper, decode = t.decode](BenchRecord& done) {
    done.output_digest = digest_of(stepper->logits());
    if (!decode) done.ttft_ns = done.median_ns();
  };
  return r;
}

}  // namespace r1
