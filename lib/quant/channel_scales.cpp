#include "lib/quant/channel_scales.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "lib/quant/rounding_error.h"

namespace r1 {
namespace {

constexpr int kPowers = 8;       // steps from 0 to 1
constexpr float kSpread = 1e4f;  // of a mean square about the mean of all

// Which matrices of a layer read which norm.
struct Readers {
  std::string_view norm;
  std::vector<std::string_view> matrices;
};
const std::vector<Readers>& readers_of_norms() {
  static const std::vector<Readers> all = {
      {"attn_norm.weight",
       {"attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_daw_gate.weight",
        "attn_daw_gain.weight"}},
      {"ffn_norm.weight", {"ffn_gate.weight", "ffn_up.weight"}},
      {"output_norm.weight", {"output.weight"}}};
  return all;
}

std::vector<PlannedTensor*> readers_of(QuantizePlan& plan, std::string_view norm) {
  std::vector<PlannedTensor*> readers;
  for (const Readers& known : readers_of_norms()) {
    if (!norm.ends_with(known.norm)) continue;
    const std::string layer(norm.substr(0, norm.size() - known.norm.size()));
    for (const std::string_view matrix : known.matrices)
      for (PlannedTensor& t : plan.tensors)
        if (t.name() == layer + std::string(matrix)) readers.push_back(&t);
    break;  // "attn_norm.weight" is the end of no other norm's name
  }
  return readers;
}

// (importance / mean)^(power / 2), with a geometric mean of 1.
std::vector<float> scales_of(std::span<const float> importance, float power) {
  double mean = 0;
  for (const float v : importance) mean += v;
  mean /= static_cast<double>(importance.size());
  std::vector<float> scales;
  double logs = 0;
  for (const float v : importance) {
    const float relative = std::clamp(v / static_cast<float>(mean), 1 / kSpread, kSpread);
    scales.push_back(std::pow(relative, power / 2));
    logs += std::log(double{scales.back()});
  }
  const auto centre = static_cast<float>(std::exp(-logs / static_cast<double>(importance.size())));
  for (float& s : scales) s *= centre;
  return scales;
}

// The best scales for matrices of one input; empty when none are better.
std::vector<float> best_scales(const std::vector<PlannedTensor*>& readers,
                               std::span<const float> importance, bool search, ThreadPool& pool) {
  std::vector<float> best;
  double least = 0;
  for (int step = 0; step <= kPowers; ++step) {
    std::vector<float> scales = scales_of(importance, static_cast<float>(step) / kPowers);
    double error = 0;
    for (const PlannedTensor* t : readers)
      if (t->packed_anew()) error += rounding_error(*t, t->to, {importance, scales, search}, pool);
    if (step > 0 && !(error < least)) continue;
    least = error;
    best = step > 0 ? std::move(scales) : std::vector<float>();
  }
  return best;
}

}  // namespace

int scale_channels(QuantizePlan& plan, const Imatrix& imatrix, bool search, ThreadPool& pool,
                   const std::function<void()>& step_done) {
  int scaled = 0;
  for (PlannedTensor& norm : plan.tensors) {
    const std::vector<PlannedTensor*> readers = readers_of(plan, norm.name());
    const auto packed = std::find_if(readers.begin(), readers.end(),
                                     [](const PlannedTensor* t) { return t->packed_anew(); });
    if (packed == readers.end() || norm.to != DType::f32) continue;
    if (std::any_of(readers.begin(), readers.end(),
                    [](const PlannedTensor* t) { return t->copied() || t->kept; }))
      continue;
    const std::span<const float> importance = imatrix.importance((*packed)->name());
    if (std::all_of(importance.begin(), importance.end(), [](float v) { return v == 0; })) continue;
    for (const PlannedTensor* t : readers) plan.files->fetch(t->from());
    const std::vector<float> scales = best_scales(readers, importance, search, pool);
    for (const PlannedTensor* t : readers) plan.files->release(t->from());
    step_done();
    if (scales.empty()) continue;
    std::vector<float> inverse;
    inverse.reserve(scales.size());
    for (const float s : scales) inverse.push_back(1 / s);
    norm.channel_scales = std::make_shared<const std::vector<float>>(std::move(inverse));
    const auto shared = std::make_shared<const std::vector<float>>(scales);
    for (PlannedTensor* t : readers) t->channel_scales = shared;
    ++scaled;
  }
  return scaled;
}

}  // namespace r1
