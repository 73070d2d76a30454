#include "tools/finetune/scratch.h"

#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/write_file.h"
#include "lib/io/weights_files.h"
#include "lib/models/fresh_model.h"
#include "lib/text/bpe_tokenizer.h"
#include "lib/text/sentencepiece_tokenizer.h"
#include "lib/text/train_sentencepiece.h"
#include "lib/train/checkpoint.h"
#include "lib/train/text_lines.h"
#include "tools/common/inputs.h"
#include "tools/common/signals.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr const char *kTokenizerJson = "tokenizer.json", *kTokenizerModel = "tokenizer.model";
constexpr std::size_t kMostLines = 400'000;  // that a tokenizer is made of

// sentencepiece heeds no signal: it works in a thread of its own, which ends with the process.
std::string trained_tokenizer(const FinetuneSettings& s) {
  std::vector<std::string> lines =
      text_lines({s.data.begin(), s.data.end()}, kMostLines, [] { stop_when_interrupted(); });
  std::packaged_task<std::string()> train([lines = std::move(lines), vocab = s.vocab]() mutable {
    return train_sentencepiece(std::move(lines), vocab);
  });
  std::future<std::string> model = train.get_future();
  std::thread(std::move(train)).detach();
  while (model.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready)
    stop_when_interrupted();
  return model.get();
}

// Returns how many tokens it has.
std::int64_t write_tokenizer(const FinetuneSettings& s, const fs::path& folder) {
  if (s.tokenizer.ends_with(".json")) {
    const std::string text = named_file(s.tokenizer);
    write_file(folder / kTokenizerJson, text);
    return make_bpe_tokenizer(parse_json(text, escaped(s.tokenizer)))->size();
  }
  const std::string model = s.tokenizer == "train" ? trained_tokenizer(s) : named_file(s.tokenizer);
  write_file(folder / kTokenizerModel, model);
  return make_sentencepiece_tokenizer(as_bytes(model), escaped(s.tokenizer))->size();
}

}  // namespace

void remove_start(const fs::path& folder) {
  std::error_code error;
  for (const char* name : {"config.json", kWeightsFile, kTokenizerJson, kTokenizerModel})
    fs::remove(folder / name, error);
  fs::remove(folder, error);
}

void StartOfRun::make(const FinetuneSettings& s, const fs::path& folder) {
  std::error_code error;
  const bool nothing_learnt = s.resume && !Checkpoints{s.output, {}}.any();
  if ((s.force || nothing_learnt) && fs::exists(folder, error)) {
    earlier_ = folder;
    earlier_ += ".old";
    remove_start(earlier_);
    fs::rename(folder, earlier_, error);
    if (error) fail(ErrorKind::write, "{}: {}", escaped(folder.string()), error.message());
  }
  if (fs::exists(folder / "config.json", error)) return;  // it is written last
  const Json config = as_usage([&] { return parse_json(read_file(s.init), escaped(s.init)); });
  fs::create_directories(folder, error);
  if (error) fail(ErrorKind::write, "{}: {}", escaped(folder.string()), error.message());
  made_ = folder;
  const std::int64_t vocab = write_tokenizer(s, folder);
  write_fresh_model(config, vocab, static_cast<std::uint64_t>(s.seed), folder);
}

void StartOfRun::keep() {
  if (!earlier_.empty()) remove_start(earlier_);
  made_.clear();
  earlier_.clear();
}

StartOfRun::~StartOfRun() {
  std::error_code error;
  if (!made_.empty()) remove_start(made_);
  if (!earlier_.empty())
    fs::rename(earlier_, earlier_.parent_path() / earlier_.stem(), error);
  else if (!made_.empty())
    fs::remove(made_.parent_path(), error);  // if it is empty
}

}  // namespace r1
