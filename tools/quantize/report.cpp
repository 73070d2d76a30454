#include "tools/quantize/report.h"

#include <algorithm>
#include <limits>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/sha256.h"

namespace r1 {
namespace {

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

void add_file(JsonWriter& w, const std::filesystem::path& path) {
  const MappedFile file(path);
  w.begin_object().key("path").string(escaped(path.string()));
  w.key("bytes").integer(whole(file.bytes().size()));
  w.key("sha256").string(sha256_hex(file)).end_object();
}

}  // namespace

double QuantizeReport::bits_per_weight() const {
  std::int64_t weights = 0;
  for (const Row& row : rows) weights += row.shape.elements();
  return 8 * static_cast<double>(bytes) / static_cast<double>(std::max<std::int64_t>(1, weights));
}

std::string QuantizeReport::sha256() const {
  if (products.empty()) return {};
  if (products.size() == 1) return products[0].sha256;
  std::string lines;
  for (const Product& p : products) lines += p.sha256 + "  " + p.path.filename().string() + "\n";
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
  w.begin_object().key("schema").string("r1.quantize/1").key("id").string(r.output);
  w.key("status").string(r.settings.dry_run ? "planned" : "ok").key("input").begin_object();
  w.key("path").string(escaped(r.files.path().string()));
  w.key("digest").string(r.files.digest()).end_object();
  w.key("output").begin_object().key("tensors").begin_array();
  for (std::size_t i = 0; i < r.rows.size(); ++i)
    add_tensor(w, r.rows[i], r.errors.empty() ? nullptr : &r.errors[i]);
  w.end_array().key("bytes_in").integer(whole(r.files.total_bytes()));
  w.key("bytes_out").integer(whole(r.bytes)).key("bpw").number(r.bits_per_weight());
  w.key("sha256");
  r.products.empty() ? w.null() : w.string(r.sha256());
  w.end_object();
  return w.end_object().text() + "\n";
}

std::string manifest_json(const QuantizeReport& r) {
  const QuantizeSettings& s = r.settings;
  JsonWriter w;
  w.begin_object().key("schema").string("r1.manifest/1").key("tool").string("r1-quantize");
  w.key("version").string(build_info().version).key("commit").string(build_info().commit);
  s.target_bpw > 0 ? w.key("target_bpw").number(s.target_bpw) : w.key("type").string(s.type);
  w.key("awq").boolean(s.awq).key("method").string(s.method).key("inputs").begin_array();
  for (const std::filesystem::path& path : r.files.paths()) add_file(w, path);
  for (const std::string& file : {s.imatrix, s.calibration})
    if (!file.empty()) add_file(w, file);
  w.end_array().key("outputs").begin_array();
  for (const QuantizeReport::Product& p : r.products) {
    w.begin_object().key("path").string(escaped(p.path.string()));
    w.key("bytes").integer(whole(p.bytes)).key("sha256").string(p.sha256).end_object();
  }
  w.end_array();
  return w.end_object().text() + "\n";
}

std::string fallbacks(const QuantizePlan& plan) {
  const auto fell_back = [](const PlannedTensor& t) { return t.fell_back; };
  const auto n = std::count_if(plan.tensors.begin(), plan.tensors.end(), fell_back);
  if (n == 0) return {};
  const PlannedTensor& t = *std::find_if(plan.tensors.begin(), plan.tensors.end(), fell_back);
  return fmt::format("{} of {} tensors do not divide into blocks of their type: {} becomes {}", n,
                     plan.tensors.size(), escaped(t.name()), to_string(t.to));
}

}  // namespace r1
