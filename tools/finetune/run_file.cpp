#include "tools/finetune/run_file.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/output.h"
#include "lib/base/paths.h"
#include "lib/base/sha256.h"
#include "lib/base/write_file.h"
#include "lib/models/adapter.h"
#include "lib/train/checkpoint.h"
#include "lib/train/data_file.h"
#include "tools/common/signals.h"
#include "tools/finetune/products.h"

namespace r1 {
namespace {

constexpr const char *kName = "run.json", *kBegunBehind = "begun_behind";

JsonWriter& begin_file(JsonWriter& w, const std::string& name) {
  stop_when_interrupted();
  const MappedFile file(name);
  return w.begin_object().key("path").string(escaped(name)).key("sha256").string(sha256_hex(file));
}

void add_file(JsonWriter& w, const char* key, const std::string& name) {
  if (!name.empty()) begin_file(w.key(key), name).end_object();
}

// A name's ending says how the file is read.
void add_data(JsonWriter& w, const char* key, const std::vector<std::string>& names) {
  w.key(key).begin_array();
  for (const std::string& name : names)
    begin_file(w, name).key("samples").boolean(holds_samples(name)).end_object();
  w.end_array();
}

// None where nobody gave one.
void add_number_above_0(JsonWriter& w, const char* key, double number) {
  w.key(key);
  number > 0 ? w.number(number) : w.null();
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
  if (s.time_budget > 0) w.key("time_budget").string(fmt::format("{}ms", s.time_budget));
  if (s.counts_steps()) w.key("iters").integer(s.iters);
  w.key("batch_size").integer(s.batch).key("schedule").string(s.schedule);
  add_number_above_0(w, "micro_batch", static_cast<double>(s.micro_batch));
  w.key("lr_warmup").number(s.warmup).key("min_lr").number(s.min_rate);
  w.key("decay_share").number(s.decay_share).key("max_seq_length").integer(s.max_seq_length);
  w.key("no_packing").boolean(s.no_packing).key("no_mask_prompt").boolean(s.no_mask_prompt);
  w.key("long").string(s.too_long).key("fim_rate").number(s.fim_rate);
  w.key("early_stop").integer(s.early_stop).key("steps_per_eval").integer(s.steps_per_eval);
  w.key("seed").integer(s.seed);
}

enum class Part { model, data, options };

// What a key of the document belongs to.
Part part_of(std::string_view key) {
  const auto is_one_of = [&](std::initializer_list<std::string_view> keys) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  if (is_one_of({"base_digest", "init", "vocab", "tokenizer", "adapter", "fine_tune_type", "rank",
                 "alpha", "rslora", "target_modules", "optimizer", "weight_type", "moments"}))
    return Part::model;
  return is_one_of({"data", "val_share"}) ? Part::data : Part::options;
}

// Keys of what is no option.
constexpr std::pair<std::string_view, const char*> kOthers[] = {
    {"version", "with another r1-finetune"},
    {"commit", "with another r1-finetune"},
    {"base_digest", "with another model"},
    {"data", "with other data"},
    {"val", "with another --val"},
    {"init", "with another --init"},
    {"tokenizer", "with another --tokenizer"},
    {"adapter", "with another --adapter"},
    {"chat_template", "with another --chat-template"}};

// "100", or nothing where the option says nothing; a switch that is on has no more to say.
std::optional<std::string> value_of(const Json* value) {
  if (value == nullptr || value->is_null()) return {};
  if (value->is_bool())
    return value->boolean(kName) ? std::optional<std::string>("") : std::nullopt;
  const std::string text =
      value->is_string() ? escaped(value->string(kName)) : JsonWriter().value(*value).text();
  return text.empty() || text == "[]" ? std::nullopt : std::optional(" " + text);
}

// "with --iters 100, not 200"
std::string how_begun(const std::string& key, const Json* was, const Json* is) {
  for (const auto& [name, words] : kOthers)
    if (key == name) return words;
  std::string option = "--" + key;
  std::replace(option.begin(), option.end(), '_', '-');
  const std::optional<std::string> before = value_of(was), now = value_of(is);
  if (!before) return "without " + option + now.value_or("");
  return "with " + option + *before + (now ? ", not" + *now : "");
}

// Whatever of these parts one document has and the other says otherwise; where there is nothing of
// that kind, what only one of them has.
std::string difference(const Json& was, const Json& is, const std::vector<Part>& parts) {
  std::vector<std::string> both, one;
  const auto add = [&](const std::string& key, const Json* a, const Json* b) {
    if (key.starts_with("export")) return;  // no step depends on it
    if (std::find(parts.begin(), parts.end(), part_of(key)) == parts.end()) return;
    std::vector<std::string>& list = a != nullptr && b != nullptr ? both : one;
    std::string words = how_begun(key, a, b);
    if (std::find(list.begin(), list.end(), words) == list.end()) list.push_back(std::move(words));
  };
  const auto text = [](const Json* j) { return j == nullptr ? "" : JsonWriter().value(*j).text(); };
  for (const auto& [key, value] : was.object(kName))
    if (const Json* now = is.find(key); text(now) != text(&value)) add(key, &value, now);
  for (const auto& [key, value] : is.object(kName))
    if (was.find(key) == nullptr) add(key, nullptr, &value);
  return fmt::format("{}", fmt::join(both.empty() ? one : both, ", and "));
}

void add_what_it_is_made_of(JsonWriter& w, const Json& json) {
  if (json.is_array()) {
    w.begin_array();
    for (const Json& element : json.array(kName)) add_what_it_is_made_of(w, element);
    w.end_array();
  } else if (json.is_object()) {
    w.begin_object();
    for (const auto& [key, value] : json.object(kName))
      if (key != "path" && key != "base" && key != "exported" && key != kBegunBehind)
        add_what_it_is_made_of(w.key(key), value);
    w.end_object();
  } else {
    w.value(json);
  }
}

// A document without what says where files lie.
std::string made_of(std::string_view document) {
  JsonWriter w;
  add_what_it_is_made_of(w, parse_json(document, kName));
  return w.text();
}

// What the runs in this folder say they are made of: a finished one, one that is not.
std::vector<Json> documents_in(const std::filesystem::path& folder) {
  std::vector<Json> documents;
  for (const char* ending : {"", ".partial"}) {
    try {
      documents.push_back(parse_json(read_file(folder / (std::string(kName) + ending)), kName));
    } catch (const Error&) {  // it is not there, or damaged
    }
  }
  return documents;
}

// What the run in this folder began behind; empty: nothing that it says.
std::string begun_behind(const std::filesystem::path& folder) {
  for (const Json& document : documents_in(folder))
    if (const Json* behind = document.find(kBegunBehind); behind != nullptr && behind->is_string())
      return behind->string(kName);
  return {};
}

std::string digest_of(const Json& document, Part part) {
  JsonWriter w;
  w.begin_object();
  for (const auto& [key, value] : document.object(kName))
    if (part_of(key) == part) w.key(key).value(value);
  return sha256_hex(as_bytes(w.end_object().text())).substr(0, 16);
}

}  // namespace

RunFile::RunFile(const FinetuneSettings& s, const ModelFiles& base)
    : path_(std::filesystem::path(s.output) / kName),
      begun_(path_.string() + ".partial"),
      data_may_change_(s.allow_data_change) {
  JsonWriter w;
  w.begin_object().key("schema").string("r1.run/1").key("tool").string("r1-finetune");
  w.key("version").string(build_info().version).key("commit").string(build_info().commit);
  w.key("base").string(escaped(s.model)).key("base_digest").string(base.digest());
  add_file(w, "init", s.init);
  if (s.tokenizer == "train")
    w.key("vocab").integer(s.vocab);
  else
    add_file(w, "tokenizer", s.tokenizer);
  if (!s.adapter.empty()) w.key("adapter").string(Adapter::digest_of(s.adapter));
  add_data(w, "data", s.data);
  add_data(w, "val", s.val);
  add_number_above_0(w, "val_share", s.val_share);
  add_file(w, "chat_template", s.chat_template);
  add_settings(w, s);
  w.key("device").string(s.device);
  const Json made = parse_json(made_of(w.text() + "}"), kName);
  recipe_ = {digest_of(made, Part::model), digest_of(made, Part::data),
             digest_of(made, Part::options)};
  w.key("export").string(s.export_given ? s.export_kind : "").key("export_type");
  text_ = w.string(s.export_type).text();
  if (s.resume) exported_ = exported_into(s.output);
  begun_behind_ = s.resume ? begun_behind(s.output) : "";
  if (begun_behind_.empty()) begun_behind_ = escaped(s.resume_from);
}

std::string RunFile::text_with(const std::set<std::string>& exported) const {
  JsonWriter names;
  names.begin_array();
  for (const std::string& name : exported) names.string(name);
  const std::string behind = begun_behind_.empty() ? "" : JsonWriter().string(begun_behind_).text();
  return text_ + (behind.empty() ? "" : fmt::format(",\"{}\":{}", kBegunBehind, behind)) +
         ",\"exported\":" + names.end_array().text() + "}\n";
}

bool RunFile::says_finished() const {
  std::error_code none;
  if (!std::filesystem::exists(path_, none)) return false;
  return made_of(read_file(path_)) == made_of(text_ + "}");
}

void RunFile::refuse_others(const std::string& folder) const {
  std::error_code none;
  const std::filesystem::path& was = std::filesystem::exists(begun_, none) ? begun_ : path_;
  if (!std::filesystem::exists(was, none)) return;  // its checkpoints have the last word
  const Json before = parse_json(made_of(read_file(was)), kName);
  const Json now = parse_json(made_of(text_ + "}"), kName);
  const std::string data = difference(before, now, {Part::data});
  const std::string model = difference(before, now, {Part::model});
  std::vector<Part> parts = {Part::model, Part::options};
  if (!data_may_change_) parts.push_back(Part::data);
  const std::string how = difference(before, now, parts);
  if (how.empty()) return;
  const char* more = "";
  if (how == data)
    more = ", and --allow-data-change goes on with these";
  else if (model.empty())
    more = ", and another -o with --resume-from goes on from it";
  fail(ErrorKind::usage, "{} was begun {}; -f begins anew{}", escaped(folder), how, more);
}

std::string RunFile::other_model(const std::filesystem::path& folder) const {
  const Json now = parse_json(made_of(text_ + "}"), kName);
  for (const std::filesystem::path& run : {folder, folder.parent_path()})
    for (const Json& document : documents_in(run)) {
      const Json was = parse_json(made_of(JsonWriter().value(document).text()), kName);
      std::string how = difference(was, now, {Part::model});
      if (!how.empty()) return how;
    }
  return "with another model, or other weights of it";
}

void RunFile::begin() const {
  std::error_code none;
  write_file(begun_, text_with(exported_));
  std::filesystem::remove(path_, none);
}

void RunFile::finish(const std::vector<std::string>& exported) const {
  std::error_code none;
  std::set<std::string> all = exported_;
  all.insert(exported.begin(), exported.end());
  write_file(path_, text_with(all));
  std::filesystem::remove(begun_, none);
}

bool holds_run(const std::filesystem::path& folder) {
  return is_there(folder / kName) || is_there(folder / (std::string(kName) + ".partial")) ||
         is_there(folder / kStart / "config.json") || Checkpoints{folder, {}}.any();
}

std::set<std::string> exported_into(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const Json& document : documents_in(folder))
    if (const Json* exported = document.find("exported"); exported != nullptr)
      for (const Json& name : exported->array(kName)) names.insert(name.string(kName));
  return names;
}

}  // namespace r1
