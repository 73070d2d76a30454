#include "tools/quantize/report.h"

#include <algorithm>
#include <limits>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/paths.h"
#include "lib/base/sha256.h"
#include "lib/io/small_files.h"
#include "lib/quant/types.h"
#include "lib/quant/write_folder.h"
#include "lib/text/chat_template.h"
#include "tools/common/failures.h"
#include "tools/quantize/check.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

std::int64_t whole(std::uint64_t n) { return static_cast<std::int64_t>(n); }

void add_tensor(JsonWriter& w, const QuantizeReport::Row& t, const TensorError* error) {
  w.begin_object().key("name").string(t.name).key("shape").begin_array();
  for (int i = 0; i < t.shape.rank(); ++i) w.integer(t.shape[i]);
  w.end_array().key("from").string(t.from).key("to").string(t.to);
  w.key("bytes").integer(whole(t.bytes));
  const double unknown = std::numeric_limits<double>::quiet_NaN();  // null
  w.key("mse").number(error != nullptr ? error->mse : unknown);
  w.key("max_abs").number(error != nullptr ? error->max_abs : unknown).end_object();
}

void add_file(JsonWriter& w, const QuantizeReport::File& file) {
  w.begin_object().key("path").string(escaped(file.path.string()));
  w.key("bytes").integer(whole(file.bytes)).key("sha256").string(file.sha256).end_object();
}

void add_file(JsonWriter& w, const fs::path& path) {
  const MappedFile file(path);
  add_file(w, {path, file.bytes().size(), sha256_hex(file)});
}

// Of a folder, what is read beside its weights: another folder gets all of it, a .gguf file the
// tokenizer and the chat template.
std::vector<fs::path> side_inputs(const QuantizeReport& r) {
  std::vector<fs::path> paths;
  const auto add = [&](std::initializer_list<const char*> names) {
    for (const char* name : names)
      if (const fs::path path = r.files.side_path(name); is_there(path)) paths.push_back(path);
  };
  if (r.files.is_gguf()) {
    if (!r.settings.calibration.empty()) add({"tokenizer.json"});  // it has the say, if it is there
    return paths;
  }
  add({"config.json", kWeightsIndex});
  if (is_folder(r.settings.output))
    for (fs::path& path : small_files(r.files.path())) paths.push_back(std::move(path));
  else
    add({"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
         kChatTemplateFile});
  return paths;
}

// One model is quantized at a time: the first.
void begin_record(JsonWriter& w, const std::string& id, const char* status) {
  w.begin_object().key("schema").string("r1.quantize/1").key("index").integer(0);
  w.key("id").string(id).key("status").string(status);
}

void add_word(JsonWriter& w, const char* key, const std::string& value) {
  w.key(key);
  value.empty() ? w.null() : w.string(value);
}

void add_list(JsonWriter& w, const char* key, const std::vector<std::string>& values) {
  w.key(key).begin_array();
  for (const std::string& value : values) w.string(value);
  w.end_array();
}

// What decides the output beside the inputs.
void add_options(JsonWriter& w, const QuantizeSettings& s) {
  s.target_bpw > 0 ? w.key("target_bpw").number(s.target_bpw) : w.key("type").string(s.type);
  add_list(w, "tensor_type", s.tensor_types);
  add_list(w, "keep", s.keep);
  add_word(w, "output_type", s.output_type);
  add_word(w, "embed_type", s.embed_type);
  w.key("pure").boolean(s.pure).key("awq").boolean(s.awq).key("method").string(s.method);
  w.key("calibration_tokens");
  s.calibration.empty() ? w.null() : w.integer(s.calibration_tokens);
  w.key("shard_size");
  s.cuts_shards || is_folder(s.output) ? w.integer(s.shard_size) : w.null();
}

void warn_of_fallbacks(const Messages& messages, const std::vector<std::string>& fell_back,
                       std::size_t tensors, std::string_view parts) {
  constexpr std::size_t kNamed = 3;
  if (fell_back.empty()) return;
  const std::size_t named = std::min(kNamed, fell_back.size());
  const auto end = fell_back.begin() + static_cast<std::ptrdiff_t>(named);
  std::string text = fmt::format("{} of {} tensors do not divide into {}: {}", fell_back.size(),
                                 tensors, parts, fmt::join(fell_back.begin(), end, ", "));
  if (named < fell_back.size()) text += fmt::format(" and {} more", fell_back.size() - named);
  messages.warn(text);
}

// A pattern that fits nothing, or nothing that has a choice of types, is most likely a slip.
void warn_of_patterns(const Messages& messages, const QuantizeSettings& s,
                      const std::vector<std::string>& names,
                      const std::vector<std::string>& matrices) {
  const auto look = [&](const std::string& option, const std::string& given,
                        const std::string& pattern) {
    const BoundedRegex re = parse_pattern(pattern, option);
    const auto fits_none = [&re](const std::vector<std::string>& all) {
      return std::none_of(all.begin(), all.end(), [&](const auto& name) { return re.fits(name); });
    };
    if (fits_none(names))
      messages.warn(fmt::format("{} '{}' fits no tensor", option, escaped(given)));
    else if (fits_none(matrices))
      messages.warn(fmt::format("{} '{}' fits no matrix of a product, and all else is f32", option,
                                escaped(given)));
  };
  for (const std::string& rule : s.tensor_types)
    look("--tensor-type", rule, split_rule(rule).first);
  for (const std::string& keep : s.keep) look("--keep", keep, keep);
}

}  // namespace

void QuantizeReport::add_text(const std::string& path, ByteSpan text) {
  if (!settings.manifest.empty()) texts.push_back({path, text.size(), sha256_hex(text)});
}

double QuantizeReport::bits_per_weight() const {
  std::int64_t weights = 0;
  for (const Row& row : rows) weights += row.shape.elements();
  return 8 * static_cast<double>(bytes) / static_cast<double>(std::max<std::int64_t>(1, weights));
}

std::string QuantizeReport::sha256() const {
  if (products.empty()) return {};
  if (products.size() == 1) return products[0].sha256;
  std::string lines;
  for (const File& p : products) lines += p.sha256 + "  " + p.path.filename().string() + "\n";
  return sha256_hex(as_bytes(lines));
}

void report_plan(QuantizeReport& report, const QuantizePlan& plan) {
  for (const PlannedTensor& t : plan.tensors)
    report.rows.push_back(
        {t.name(), t.from().shape, to_string(t.from().dtype), to_string(t.to), t.target().bytes()});
  report.bytes = plan.bytes;
}

std::string quantize_text(const QuantizeReport& r) {
  std::string out;
  if (r.settings.dry_run)
    for (const QuantizeReport::Row& t : r.rows)
      out += fmt::format("{}\t{}\t{}\t{}\t{}\n", escaped(t.name), to_string(t.shape), t.from, t.to,
                         t.bytes);
  return out + fmt::format("{}\t{}\t{:.3f}{}\n", escaped(r.output), r.bytes, r.bits_per_weight(),
                           r.products.empty() ? "" : "\t" + r.sha256());
}

std::string quantize_json(const QuantizeReport& r) {
  JsonWriter w;
  begin_record(w, r.output, r.settings.dry_run ? "planned" : "ok");
  w.key("input").begin_object().key("path").string(escaped(r.files.path().string()));
  w.key("digest").string(r.files.digest()).end_object();
  w.key("output").begin_object().key("tensors").begin_array();
  for (std::size_t i = 0; i < r.rows.size(); ++i)
    add_tensor(w, r.rows[i], r.errors.empty() ? nullptr : &r.errors[i]);
  w.end_array().key("bytes_in").integer(whole(r.files.total_bytes()));
  w.key("bytes_out").integer(whole(r.bytes)).key("bpw").number(r.bits_per_weight());
  w.key("sha256");
  r.products.empty() ? w.null() : w.string(r.sha256());
  w.end_object().key("error").null();
  return w.end_object().text() + "\n";
}

std::string quantize_error_json(const QuantizeSettings& s, const Error& error) {
  JsonWriter w;
  begin_record(w, s.output, "error");
  w.key("input").begin_object().key("path").string(escaped(s.operands[0])).key("digest").null();
  w.end_object().key("output").null();
  write_error(w.key("error"), error);
  return w.end_object().text() + "\n";
}

std::string manifest_json(const QuantizeReport& r) {
  const QuantizeSettings& s = r.settings;
  JsonWriter w;
  w.begin_object().key("schema").string("r1.manifest/1").key("tool").string("r1-quantize");
  w.key("version").string(build_info().version).key("commit").string(build_info().commit);
  add_options(w, s);
  w.key("inputs").begin_array();
  for (const fs::path& path : r.files.paths()) add_file(w, path);
  for (const fs::path& path : side_inputs(r)) add_file(w, path);
  for (const QuantizeReport::File& text : r.texts) add_file(w, text);
  w.end_array().key("outputs").begin_array();
  for (const QuantizeReport::File& product : r.products) add_file(w, product);
  for (const fs::path& path : r.side_files) add_file(w, path);
  if (!s.imatrix_out.empty() && !is_device(s.imatrix_out)) add_file(w, fs::path(s.imatrix_out));
  w.end_array();
  return w.end_object().text() + "\n";
}

void warn_of_types(const Messages& messages, const QuantizeSettings& s, const QuantizePlan& plan) {
  std::vector<std::string> names, matrices, fell_back;
  for (const PlannedTensor& t : plan.tensors) {
    names.push_back(t.name());
    if (is_matrix({t.name(), t.from()})) matrices.push_back(t.name());
    if (t.fell_back && t.to != t.from().dtype)
      fell_back.push_back(fmt::format("{} becomes {}", escaped(t.name()), to_string(t.to)));
  }
  warn_of_fallbacks(messages, fell_back, names.size(), "blocks of their type");
  warn_of_patterns(messages, s, names, matrices);
  const bool tied = std::find(names.begin(), names.end(), "output.weight") == names.end();
  if (tied && !s.output_type.empty() && !s.embed_type.empty() && s.output_type != s.embed_type)
    messages.warn("the embedding is the head too: --output-type counts, --embed-type does not");
}

void warn_of_types(const Messages& messages, const QuantizeSettings& s, const FolderPlan& plan) {
  std::vector<std::string> names, fell_back;
  for (const FolderWeight& w : plan.weights) {
    names.push_back(w.source.name);
    if (w.fell_back)
      fell_back.push_back(
          fmt::format("{} stays {}", escaped(w.source.name), to_string(w.stored[0].tensor.dtype)));
  }
  warn_of_fallbacks(messages, fell_back, names.size(), "groups of 128");
  warn_of_patterns(messages, s, names, names);
}

void warn_of_unseen(const Messages& messages, const Imatrix& imatrix,
                    const std::vector<std::string>& matrices) {
  std::vector<std::string> unseen;
  for (const std::string& name : matrices)
    if (name != "token_embd.weight" && name != "output.weight" && imatrix.importance(name).empty())
      unseen.push_back(name);
  if (!unseen.empty())
    messages.warn(fmt::format("the importance matrix has nothing for {} of {} matrices, such as {}",
                              unseen.size(), matrices.size(), escaped(unseen[0])));
}

void say_what_is_kept(Messages& messages, const std::vector<ResumePoint>& points,
                      std::size_t tensors) {
  std::size_t kept = 0;
  std::string why;
  for (const ResumePoint& point : points) {
    kept += point.kept.size();
    if (why.empty() && !point.why_not.empty()) why = "; " + point.why_not;
  }
  messages.say(fmt::format("{} of {} tensors are written already{}", kept, tensors, why));
  messages.phase_done("what is there compared");
}

void warn_of_size(const Messages& messages, const QuantizeReport& r) {
  std::uint64_t of_tensors = 0;  // a longer header is no loss
  for (const QuantizeReport::Row& row : r.rows) of_tensors += row.bytes;
  if (makes_blocks(r.settings) && of_tensors > r.files.total_bytes())
    messages.warn(fmt::format("{} bytes become {}: the model is in fewer bits already",
                              r.files.total_bytes(), r.bytes));
}

void say_of_each(const Messages& messages, const QuantizeReport& r) {
  for (const QuantizeReport::Row& t : r.rows)
    messages.say_of_each(fmt::format("{}: {} of {} becomes {}, {} bytes", escaped(t.name),
                                     to_string(t.shape), t.from, t.to, t.bytes));
}

}  // namespace r1
