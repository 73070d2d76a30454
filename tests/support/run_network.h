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
  std::vector<float> whole(const std::vector<std::int32_t>& ids) {
    arena_.reset();
    Graph g(*backend_, arena_);
    Rows rows = plain_rows(g, ids, 0);
    return host(network_->forward(g, rows));
  }

  // The same through the cache, in passes of `chunk` rows. Row t of the result is position t.
  std::vector<float> in_chunks(const std::vector<std::int32_t>& ids, std::size_t chunk) {
    start();
    std::vector<float> logits;
    for (std::size_t at = 0; at < ids.size(); at += chunk) {
      const std::size_t n = std::min(chunk, ids.size() - at);
      const std::vector<float> part = step({ids.begin() + static_cast<std::ptrdiff_t>(at),
                                            ids.begin() + static_cast<std::ptrdiff_t>(at + n)});
      logits.insert(logits.end(), part.begin(), part.end());
    }
    return logits;
  }

  // `count` ids after a prompt, the most likely one each time (the lower of equals).
  std::vector<std::int32_t> greedy(const std::vector<std::int32_t>& prompt, std::size_t count) {
    start();
    std::vector<std::int32_t> ids, next = prompt;
    while (ids.size() < count) {
      const std::vector<float> logits = step(next);
      const auto last = logits.end() - network_->shape().vocab;
      next = {static_cast<std::int32_t>(std::max_element(last, logits.end()) - last)};
      ids.push_back(next[0]);
    }
    return ids;
  }

  // Begins a sequence over an empty cache; `step` reads on and gives its logits [T, V].
  void start() {
    constexpr std::int64_t kPages = 16;
    KvShape kv = network_->shape().kv;
    kv.dtype = DType::f32;
    cache_ = std::make_unique<KvCache>(*backend_, kv, kPages);
    position_ = 0;
  }
  std::vector<float> step(const std::vector<std::int32_t>& ids) {
    arena_.reset();
    Graph g(*backend_, arena_);
    Rows rows = plain_rows(g, ids, position_);
    std::vector<std::int32_t> pages(static_cast<std::size_t>(cache_->pages()));
    std::iota(pages.rbegin(), pages.rend(), 0);  // backwards: a page number is not a place
    rows.cache = cache_.get();
    rows.sequence = g.integers(std::vector<std::int32_t>(ids.size(), 0));
    rows.table = g.integers(pages).reshaped({1, cache_->pages()});
    position_ += static_cast<std::int32_t>(ids.size());
    return host(network_->forward(g, rows));
  }

 private:
  Rows plain_rows(Graph& g, const std::vector<std::int32_t>& ids, std::int32_t position) const {
    std::vector<std::int32_t> positions(ids.size()), lines;
    std::iota(positions.begin(), positions.end(), position);
    for (const std::int32_t id : ids)
      lines.push_back(newline.empty() ? 0 : newline[static_cast<std::size_t>(id)]);
    Rows rows;
    rows.ids = g.integers(ids);
    rows.position = g.integers(positions);
    rows.start = g.integers(std::vector<std::int32_t>(ids.size(), 0));
    rows.newline = g.integers(lines);
    return rows;
  }
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
  std::int32_t position_ = 0;
};

}  // namespace r1::test
