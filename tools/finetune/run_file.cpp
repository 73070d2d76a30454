#include "tools/finetune/run_file.h"

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/output.h"
#include "lib/base/sha256.h"
#include "lib/base/write_file.h"

namespace r1 {
namespace {

void add_files(JsonWriter& w, const char* key, const std::vector<std::string>& names) {
  w.key(key).begin_array();
  for (const std::string& name : names) {
    const MappedFile file(name);
    w.begin_object().key("path").string(escaped(name)).key("sha256").string(sha256_hex(file));
    w.end_object();
  }
  w.end_array();
}

void add_settings(JsonWriter& w, const FinetuneSettings& s) {
  w.key("objective").string(s.objective).key("beta").number(s.beta);
  w.key("fine_tune_type").string(s.method).key("optimizer").string(s.optimizer);
  if (!s.full()) {
    w.key("rank").integer(s.rank).key("alpha").number(s.alpha).key("rslora").boolean(s.rslora);
    w.key("dropout").number(s.dropout).key("quantize_base");
    w.string(s.quantize_base).key("target_modules").begin_array();
    for (const std::string& module : s.modules) w.string(module);
    w.end_array();
  }
  w.key("learning_rate").number(s.rate).key("muon_learning_rate").number(s.muon_rate);
  w.key("weight_decay").number(s.weight_decay).key("clip").number(s.clip);
  w.key("qat").string(s.qat).key("precision").string(s.precision);
  w.key("weight_type").string(s.weight_type).key("moments").string(s.moments);
  if (s.time_budget > 0)
    w.key("time_budget_ms").integer(s.time_budget);
  else
    w.key("iters").integer(s.iters);
  w.key("batch_size")
      .integer(s.batch)
      .key("micro_batch")
      .integer(s.micro_batch)
      .key("schedule")
      .string(s.schedule);
  w.key("lr_warmup").number(s.warmup).key("min_lr").number(s.min_rate);
  w.key("decay_share").number(s.decay_share).key("max_seq_length").integer(s.max_seq_length);
  w.key("packing").boolean(!s.no_packing).key("mask_prompt").boolean(!s.no_mask_prompt);
  w.key("long").string(s.too_long).key("fim_rate").number(s.fim_rate);
  w.key("early_stop").integer(s.early_stop).key("steps_per_eval").integer(s.steps_per_eval);
  w.key("seed").integer(s.seed);
}

}  // namespace

RunFile::RunFile(const FinetuneSettings& s, const ModelFiles& base)
    : path_(std::filesystem::path(s.output) / "run.json") {
  JsonWriter w;
  w.begin_object().key("schema").string("r1.run/1").key("tool").string("r1-finetune");
  w.key("version").string(build_info().version).key("commit").string(build_info().commit);
  w.key("base").string(escaped(s.model)).key("base_digest").string(base.digest());
  if (!s.init.empty()) {
    add_files(w, "init", {s.init});
    w.key("tokenizer").string(escaped(s.tokenizer)).key("vocab").integer(s.vocab);
  }
  add_files(w, "data", s.data);
  add_files(w, "val", s.val);
  add_settings(w, s);
  w.key("export").string(s.export_given ? s.export_kind : "").key("export_type");
  w.string(s.export_type).key("device").string(s.device);
  text_ = w.end_object().text() + "\n";
  recipe_ = sha256_hex(as_bytes(text_)).substr(0, 16);
}

bool RunFile::says_finished() const {
  std::error_code none;
  return std::filesystem::exists(path_, none) && read_file(path_) == text_;
}

void RunFile::write() const { write_file(path_, text_); }

void RunFile::remove() const {
  std::error_code none;
  std::filesystem::remove(path_, none);
}

}  // namespace r1
