#include "lib/quant/budget.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/quant/rounding_error.h"
#include "lib/quant/sensitivity.h"

namespace r1 {
namespace {

constexpr std::int64_t kTokens = 256;  // whose logits are compared

// What a matrix may become, and stay.
std::vector<DType> types_for(const PlannedTensor& t) {
  std::vector<DType> types = {t.from().dtype};
  for (const DType dtype : quantized_types())
    if (dtype != types[0] && t.from().cols() % block_elements(dtype) == 0) types.push_back(dtype);
  return types;
}

std::uint64_t room_for(const QuantizePlan& plan, double bits_per_weight) {
  return static_cast<std::uint64_t>(bits_per_weight * static_cast<double>(plan.weights()) / 8);
}

[[noreturn]] void fail_budget(const QuantizePlan& plan, std::uint64_t least,
                              double bits_per_weight) {
  fail(ErrorKind::usage, "the smallest file has {:.3f} bits a weight, more than {}",
       8 * static_cast<double>(least) / static_cast<double>(plan.weights()), bits_per_weight);
}

std::uint64_t bytes_as(const PlannedTensor& t, DType dtype) {
  const std::size_t bytes = Tensor{nullptr, t.from().shape, dtype}.bytes();
  return bytes + gguf_padding(bytes).size();
}

std::vector<TypeOffer> offers_of(const PlannedTensor& t, double divergence, const Imatrix& imatrix,
                                 bool search, ThreadPool& pool) {
  const Rounding plain{imatrix.importance(t.name()), {}, false};
  const Rounding chosen{plain.importance, {}, search};
  const double of_probe = rounding_error(t, probe_type(t), plain, pool);
  std::vector<TypeOffer> offers;
  for (const DType dtype : types_for(t)) {
    double loss = dtype == t.from().dtype ? 0 : rounding_error(t, dtype, chosen, pool);
    if (of_probe > 0) loss *= divergence / of_probe;  // 0: the probe says nothing, the error does
    offers.push_back({dtype, bytes_as(t, dtype), loss});
  }
  std::sort(offers.begin(), offers.end(),
            [](const TypeOffer& a, const TypeOffer& b) { return a.bytes < b.bytes; });
  return offers;
}

// What a step up from an offer brings for each byte.
double worth(const TypeOffer& from, const TypeOffer& to) {
  return (from.loss - to.loss) / static_cast<double>(to.bytes - from.bytes);
}

// Most matrices' type says what the file is called.
std::uint32_t file_type_of(const QuantizePlan& plan) {
  std::map<DType, std::int64_t> weights;
  for (const PlannedTensor& t : plan.tensors) weights[t.to] += t.from().shape.elements();
  const auto most =
      std::max_element(weights.begin(), weights.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  for (const Mix& mix : mixes())
    if (mix.base == most->first) return mix.file_type;
  return 0;
}

}  // namespace

std::optional<std::vector<std::size_t>> choose_offers(
    const std::vector<std::vector<TypeOffer>>& offers, std::uint64_t room) {
  std::vector<std::size_t> chosen(offers.size());
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < offers.size(); ++i) {
    const auto smallest =
        std::min_element(offers[i].begin(), offers[i].end(), [](const auto& a, const auto& b) {
          return std::pair(a.bytes, a.loss) < std::pair(b.bytes, b.loss);
        });
    chosen[i] = static_cast<std::size_t>(smallest - offers[i].begin());
    bytes += smallest->bytes;
  }
  if (bytes > room) return std::nullopt;
  for (;;) {
    std::size_t tensor = 0, step = 0;
    double most = 0;
    for (std::size_t i = 0; i < offers.size(); ++i) {
      const TypeOffer& now = offers[i][chosen[i]];
      for (std::size_t j = 0; j < offers[i].size(); ++j) {
        const TypeOffer& next = offers[i][j];
        const bool fits = next.bytes > now.bytes && next.bytes - now.bytes <= room - bytes;
        if (fits && worth(now, next) > most) most = worth(now, next), tensor = i, step = j;
      }
    }
    if (most == 0) return chosen;
    bytes += offers[tensor][step].bytes - offers[tensor][chosen[tensor]].bytes;
    chosen[tensor] = step;
  }
}

void check_budget(const QuantizePlan& plan, double bits_per_weight) {
  std::uint64_t least = plan.bytes;
  for (const PlannedTensor& t : plan.tensors) {
    if (!is_measured(t)) continue;
    std::uint64_t smallest = bytes_as(t, t.to);
    least -= smallest;
    for (const DType dtype : types_for(t)) smallest = std::min(smallest, bytes_as(t, dtype));
    least += smallest;
  }
  if (least > room_for(plan, bits_per_weight)) fail_budget(plan, least, bits_per_weight);
}

void fit_types(QuantizePlan& plan, const Calibration& calibration, const Imatrix& imatrix,
               double bits_per_weight, bool search, ThreadPool& pool) {
  check_budget(plan, bits_per_weight);
  const auto divergences = measure_sensitivity(plan, calibration, kTokens, pool);
  std::vector<std::vector<TypeOffer>> offers;
  std::vector<PlannedTensor*> tensors;
  std::uint64_t others = plan.bytes;
  for (PlannedTensor& t : plan.tensors) {
    const auto measured = divergences.find(t.name());
    if (measured == divergences.end()) continue;
    tensors.push_back(&t);
    plan.files->fetch(t.from());
    offers.push_back(offers_of(t, measured->second, imatrix, search, pool));
    others -= bytes_as(t, t.to);
    plan.files->release(t.from());
    calibration.step_done();
  }
  const std::uint64_t room = room_for(plan, bits_per_weight);
  std::uint64_t free = room - others;
  for (;;) {
    const auto chosen = choose_offers(offers, free);
    if (!chosen) fail_budget(plan, plan.bytes, bits_per_weight);
    for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i]->to = offers[i][(*chosen)[i]].dtype;
    plan.set_file_type(file_type_of(plan));
    if (plan.bytes <= room) return;
    std::uint64_t used = 0;  // shards of these types have more headers: there is less for tensors
    for (const PlannedTensor* t : tensors) used += bytes_as(*t, t->to);
    free = used - std::min(used, plan.bytes - room);
  }
}

}  // namespace r1
