#include "lib/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "lib/base/error.h"
#include "lib/train/head_loss.h"
#include "lib/train/preference.h"

namespace r1 {
namespace {

constexpr std::int64_t kMostSkipped = 3;      // in a row
constexpr std::uint64_t kDropout = 0xd40905;  // stream of the seeds

// Where the gradients of a step are added up: where the network leaves them, if all goes at once.
std::vector<Tensor> sums_of(const NamedVars& weights, bool at_once, DeviceTensors& memory) {
  std::vector<Tensor> sums;
  for (const auto& [name, weight] : weights)
    sums.push_back(at_once ? weight.grad : memory.zeros(weight.value.shape));
  return sums;
}

// Matrices that products may read copies of: what changes. The base of an adapter is loaded in as
// many bits as products are made in.
NamedVars copied(const Learner& learner) {
  if (learner.adapters == nullptr) return learner.weights;
  return learner.rounded == nullptr ? NamedVars() : learner.rounded->weights();
}

// Rows whose next token is learnt, and those tokens.
struct Wanted {
  std::vector<std::int32_t> rows, targets;
};

Wanted wanted_of(const Pack& pack) {
  Wanted w;
  for (std::size_t t = 0; t < pack.target.size(); ++t) {
    if (pack.target[t] < 0) continue;
    w.rows.push_back(static_cast<std::int32_t>(t));
    w.targets.push_back(pack.target[t]);
  }
  return w;
}

}  // namespace

Rows network_rows(Graph& g, const Network& network, const std::vector<std::uint8_t>& newline,
                  const Pack& pack) {
  Rows rows;
  rows.ids = g.integers(pack.ids);
  rows.position = g.integers(pack.position);
  rows.start = g.integers(pack.start);
  if (!network.shape().needs_newline) return rows;
  std::vector<std::int32_t> lines;
  for (const std::int32_t id : pack.ids) lines.push_back(newline[static_cast<std::size_t>(id)]);
  rows.newline = g.integers(lines);
  return rows;
}

Trainer::Trainer(Backend& backend, const Learner& learner, const Packer& data,
                 const TrainOptions& options)
    : backend_(backend),
      learner_(learner),
      data_(data),
      options_(options),
      memory_(backend),
      sums_(sums_of(learner_.weights, options.at_once >= options.batch, memory_)),
      optimizer_(backend, learner_.weights, sums_, options.optimizer),
      copies_(backend, copied(learner_), learner_.network.head(), options.precision,
              learner_.rounded != nullptr),
      arena_(backend),
      progress_{.scale = LossScale::of(options.precision)} {}

double Trainer::run(Pack pack, float share, std::int64_t number) {
  constexpr std::int64_t kWholeRows = 16;  // what products of 8 bits are made of, also over rows
  if (pack.trained() == 0) return 0;
  if (is_float8(options_.precision)) pack.fill_up(kWholeRows);
  const Wanted wanted = wanted_of(pack);
  const std::vector<double> reference = references(pack);
  arena_.reset();
  Graph g(backend_, arena_, share > 0 ? Graph::Mode::training : Graph::Mode::inference);
  const std::uint64_t seed =
      random_bits(options_.dropout.seed, kDropout, static_cast<std::uint64_t>(number));
  if (learner_.adapters != nullptr)
    g.adapt_weights(learner_.adapters, {.share = options_.dropout.share, .seed = seed});
  round_products(g);
  if (options_.recompute) g.recompute_layers();
  if (learner_.rounded != nullptr) g.replace_weights(learner_.rounded->replacement());
  Rows rows = network_rows(g, learner_.network, *learner_.newline, pack);
  if (wanted.rows.size() < pack.ids.size()) rows.wanted = g.integers(wanted.rows);
  const Var hidden = learner_.network.hidden(g, rows);
  const double loss = pack.pairs.empty()
                          ? head_loss(g, hidden, learner_.network.head(), wanted.targets, share)
                          : run_pairs(g, hidden, pack, reference, share);
  if (share > 0) g.backward();
  return loss;
}

double Trainer::run_pairs(Graph& g, const Var& hidden, const Pack& pack,
                          std::span<const double> reference, float share) {
  const Var& head = learner_.network.head();
  const Wanted wanted = wanted_of(pack);
  const std::vector<float> losses = head_losses(g, hidden, head, wanted.targets, {});
  const PreferenceLoss loss = preference_loss(pack, wanted.rows, losses, reference, options_.beta,
                                              static_cast<double>(share));
  if (share > 0) head_losses(g, hidden, head, wanted.targets, loss.slopes);
  return loss.sum;
}

std::vector<double> Trainer::references(const Pack& pack) {
  std::vector<double> all;
  const auto is_known = [&](const Pack::Pair& p) { return references_.contains(p.sample); };
  if (!std::all_of(pack.pairs.begin(), pack.pairs.end(), is_known)) {
    arena_.reset();
    Graph g(backend_, arena_);
    if (learner_.reference != nullptr) g.adapt_weights(learner_.reference);
    round_products(g);
    const Wanted wanted = wanted_of(pack);
    Rows rows = network_rows(g, learner_.network, *learner_.newline, pack);
    rows.wanted = g.integers(wanted.rows);
    const Var hidden = learner_.network.hidden(g, rows);
    const std::vector<double> found = preferences(
        pack, wanted.rows, head_losses(g, hidden, learner_.network.head(), wanted.targets, {}));
    for (std::size_t i = 0; i < found.size(); ++i) references_[pack.pairs[i].sample] = found[i];
  }
  for (const Pack::Pair& pair : pack.pairs) all.push_back(references_.at(pair.sample));
  return all;
}

void Trainer::refresh() {
  if (learner_.rounded != nullptr) learner_.rounded->refresh();
  copies_.refresh(learner_.rounded);
}

void Trainer::round_products(Graph& g) const {
  if (options_.precision != DType::f32) g.round_products(options_.precision, &copies_.operands());
}

// Squares are summed by weight in f32, over the weights in double.
double Trainer::norm() {
  arena_.reset();
  const Tensor squares = arena_.take({std::ssize(sums_)}, DType::f32);
  backend_.zero(squares);
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    Tensor one = squares;
    one.data = squares.as<float>() + i;
    one.shape = {1};
    backend_.sum_squares(one, sums_[i]);
  }
  std::vector<float> host(sums_.size());
  backend_.copy_to_host(host.data(), squares);
  return std::sqrt(std::accumulate(host.begin(), host.end(), 0.0));
}

TrainStep Trainer::step() {
  TrainProgress& p = progress_;
  TrainStep result{.step = p.steps + 1, .loss_scale = p.scale.value};
  std::vector<Pack> parts;
  std::int64_t counted = 0;  // tokens, or pairs
  for (std::int64_t i = 0; i < options_.batch; ++i) {
    const Pack pack = data_.pack(p.packs + i);
    result.tokens += pack.trained();
    counted += pack.counted();
    i % options_.at_once == 0 ? parts.push_back(pack) : parts.back().append(pack);
  }
  const double share = result.tokens == 0 ? 0 : 1 / static_cast<double>(counted);
  const bool apart = parts.size() > 1;
  for (const Tensor& sum : sums_) backend_.zero(sum);
  refresh();
  double loss = 0;
  std::int64_t number = p.packs;
  for (const Pack& part : parts) {
    for (std::size_t i = 0; apart && i < sums_.size(); ++i)
      backend_.zero(learner_.weights[i].second.grad);
    loss += run(part, static_cast<float>(share * p.scale.value), number++);
    for (std::size_t i = 0; apart && i < sums_.size(); ++i)
      backend_.add_scaled(sums_[i], learner_.weights[i].second.grad, 1.0f);
  }
  result.loss = loss * share;
  result.norm = norm() / p.scale.value;
  const double share_of_rate = rate_share(options_.schedule, result.step);
  result.rate = options_.optimizer.rate * share_of_rate;
  result.skipped = !std::isfinite(result.loss) || !std::isfinite(result.norm);
  p.skipped_in_a_row = result.skipped && p.scale.value == 1 ? p.skipped_in_a_row + 1 : 0;
  if (p.skipped_in_a_row == kMostSkipped)
    fail(ErrorKind::model, "the loss is not finite, three steps in a row; the last was step {}",
         result.step);
  const bool clipped = options_.clip > 0 && result.norm > options_.clip;
  p.steps = result.step;
  p.packs += options_.batch;
  p.skipped += result.skipped;
  if (!result.skipped && result.tokens > 0)  // moments know of no other steps
    optimizer_.step(p.steps - p.skipped, share_of_rate,
                    (clipped ? options_.clip / result.norm : 1) / p.scale.value);
  if (options_.precision == DType::f16) p.scale.count(!result.skipped);
  return result;
}

double Trainer::evaluate(const Packer& data, std::int64_t packs,
                         const std::function<void()>& before_each) {
  refresh();
  double loss = 0;
  std::int64_t counted = 0;
  for (std::int64_t n = 0; n < packs; ++n) {
    if (before_each) before_each();
    const Pack pack = data.pack(n);
    loss += run(pack, 0);
    counted += pack.counted();
  }
  return loss / static_cast<double>(counted);
}

std::vector<NamedTensor> Trainer::state() const {
  std::vector<NamedTensor> state;
  for (const auto& [name, weight] : learner_.weights) state.push_back({name, weight.value});
  for (NamedTensor& t : optimizer_.state()) state.push_back(std::move(t));
  return state;
}

}  // namespace r1
