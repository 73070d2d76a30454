#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "lib/models/network.h"

namespace r1::test {

using Ids = std::vector<std::int32_t>;

// A model of a file or folder on one backend, and its logits for whole texts or step by step.
class Runner {
 public:
  Runner(std::unique_ptr<Backend> backend, const std::filesystem::path& path,
         const LoadOptions& options = {.compute = DType::f32})
      : backend_(std::move(backend)),
        files_(ModelFiles::open(path)),
        params_(*backend_, files_, options),
        network_(load_network(files_, params_)),
        arena_(*backend_) {}

  const Network& network() const { return *network_; }
  Backend& backend() { return *backend_; }
  const Params& params() const { return params_; }

  // Which tokens hold a newline; models without DAW need none.
  std::vector<std::uint8_t> newline;

  // Logits [T, V] of a text read in one pass over itself, without a cache.
  std::vector<float> whole(const Ids& ids) { return packed({ids}); }

  // The same of several texts in a row.
  std::vector<float> packed(const std::vector<Ids>& texts) {
    arena_.reset();
    Graph g(*backend_, arena_);
    const Batch batch = join(texts, std::vector<std::int32_t>(texts.size(), 0));
    return host(network_->forward(g, batch.rows(g)));
  }

  // The mean loss of the next token over texts in a row; `learn` adds its gradient to the weights'.
  double loss(const std::vector<Ids>& texts, bool learn = false) {
    arena_.reset();
    Graph g(*backend_, arena_, learn ? Graph::Mode::training : Graph::Mode::inference);
    Ids targets;
    for (const Ids& text : texts) {
      targets.insert(targets.end(), text.begin() + 1, text.end());
      targets.push_back(-1);
    }
    const auto counted = static_cast<double>(targets.size() - texts.size());
    const Batch batch = join(texts, std::vector<std::int32_t>(texts.size(), 0));
    const Var losses =
        g.cross_entropy(network_->forward(g, batch.rows(g)), g.integers(targets));  // [T]
    if (learn) {
      const std::vector<float> share(targets.size(), static_cast<float>(1 / counted));
      backend_->copy_from_host(g.gradient(losses), share.data());
      g.backward();
    }
    const std::vector<float> each = host(losses);
    return std::accumulate(each.begin(), each.end(), 0.0) / counted;
  }

  // The same through the cache, in passes of `chunk` rows. Row t of the result is position t.
  std::vector<float> in_chunks(const Ids& ids, std::size_t chunk) {
    start();
    std::vector<float> logits;
    for (std::size_t at = 0; at < ids.size(); at += chunk) {
      const std::size_t n = std::min(chunk, ids.size() - at);
      const auto from = ids.begin() + static_cast<std::ptrdiff_t>(at);
      const std::vector<float> part = step(Ids(from, from + static_cast<std::ptrdiff_t>(n)));
      logits.insert(logits.end(), part.begin(), part.end());
    }
    return logits;
  }

  // `count` ids after a prompt, the most likely one each time (the lower of equals).
  Ids greedy(const Ids& prompt, std::size_t count) {
    start();
    Ids ids, next = prompt;
    while (ids.size() < count) {
      const std::vector<float> logits = step(next);
      const auto last = logits.end() - network_->shape().vocab;
      next = {static_cast<std::int32_t>(std::max_element(last, logits.end()) - last)};
      ids.push_back(next[0]);
    }
    return ids;
  }

  // Begins sequences over an empty cache; `step` reads on and gives the logits [T, V] of what it
  // read, sequence after sequence.
  void start(std::size_t sequences = 1) {
    constexpr std::int64_t kPages = 16;
    KvShape kv = network_->shape().kv;
    kv.dtype = DType::f32;
    cache_ = std::make_unique<KvCache>(*backend_, kv, kPages);
    position_.assign(sequences, 0);
  }
  std::vector<float> step(const Ids& ids) { return step(std::vector<Ids>{ids}); }
  std::vector<float> step(const std::vector<Ids>& more) {
    arena_.reset();
    Graph g(*backend_, arena_);
    const Batch batch = join(more, position_);
    Rows rows = batch.rows(g);
    const auto sequences = static_cast<std::int64_t>(position_.size());
    const std::int64_t each = cache_->pages() / sequences;
    std::vector<std::int32_t> pages = cache_->numbers();
    pages.resize(static_cast<std::size_t>(sequences * each));
    std::reverse(pages.begin(), pages.end());  // a page number is not a place
    rows.cache = cache_.get();
    rows.sequence = g.integers(batch.sequence);
    rows.table = g.integers(pages).reshaped({sequences, each});
    for (std::size_t s = 0; s < more.size(); ++s)
      position_[s] += static_cast<std::int32_t>(more[s].size());
    return host(network_->forward(g, rows));
  }
  const KvCache& cache() const { return *cache_; }

  // Pieces of texts in a row, each going on from its position.
  struct Batch {
    Ids ids, position, start, newline, sequence;
    Rows rows(Graph& g) const {
      Rows rows;
      rows.ids = g.integers(ids);
      rows.position = g.integers(position);
      rows.start = g.integers(start);
      rows.newline = g.integers(newline);
      return rows;
    }
  };
  Batch join(const std::vector<Ids>& pieces, const std::vector<std::int32_t>& from) const {
    Batch b;
    for (std::size_t s = 0; s < pieces.size(); ++s) {
      const auto first = static_cast<std::int32_t>(b.ids.size());
      for (std::size_t t = 0; t < pieces[s].size(); ++t) {
        const std::int32_t id = pieces[s][t];
        b.ids.push_back(id);
        b.position.push_back(from[s] + static_cast<std::int32_t>(t));
        b.start.push_back(first);
        b.newline.push_back(newline.empty() ? 0 : newline[static_cast<std::size_t>(id)]);
        b.sequence.push_back(static_cast<std::int32_t>(s));
      }
    }
    return b;
  }

 private:
  std::vector<float> host(const Var& logits) {
    std::vector<float> out(static_cast<std::size_t>(logits.value.shape.elements()));
    backend_->copy_to_host(out.data(), logits.value);
    return out;
  }

  std::unique_ptr<Backend> backend_;
  ModelFiles files_;
  Params params_;
  std::unique_ptr<Network> network_;
  Arena arena_;
  std::unique_ptr<KvCache> cache_;
  std::vector<std::int32_t> position_;  // of each sequence
};

}  // namespace r1::test
