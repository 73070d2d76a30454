#include "tools/complete/dry_run.h"

#include <vector>

#include "lib/base/json.h"
#include "lib/models/adapter.h"
#include "tools/complete/requests.h"
#include "tools/complete/sources.h"

namespace r1 {
namespace {

struct Planned {
  std::string id, what, where;  // where: the target, or why not
  std::int64_t bytes = -1;      // -1: not known before it is read
};

// What there will be is not known before standard input is read.
bool is_open(const CompleteSettings& s) {
  return s.files_from == "-" || (s.reads_stdin() && (s.operands.empty() || s.request_lines()));
}

std::string place_of(const CompleteSettings& s, const ItemSource& item) {
  if (!item.kept.empty()) return s.output;
  if (!item.target.empty()) return item.target;
  return s.output;
}

std::vector<Planned> planned(const CompleteSettings& s, const ModelFiles& files,
                             const std::string& recipe) {
  if (is_open(s)) return {{"-", "run", s.output}};
  Choice choice(s, recipe, files.path());
  CompletionRequest defaults = request_of(s);
  sample_as_model_says(defaults.sampling, s, makers_sampling(files));
  const auto source =
      s.request_lines() ? line_source(s, defaults, choice) : text_source(s, defaults, choice);
  std::vector<Planned> all;
  CompletionRequest request;
  ItemSource item;
  while (source->next(request, item, true) == Completer::Next::request) {
    Planned p{request.id.empty() ? std::to_string(all.size()) : request.id, "run",
              place_of(s, item), static_cast<std::int64_t>(item.bytes)};
    if (item.path.empty() && !s.request_lines() && s.reads_stdin()) p.bytes = -1;
    if (request.skip) p.what = "skip";
    if (request.broken) p.what = "error", p.where = request.broken->what();
    all.push_back(std::move(p));
  }
  return all;
}

std::string as_text(const std::string& model, const std::string& adapter, const ModelFiles& files,
                    const MemoryPlan& plan, const std::vector<Planned>& items) {
  std::string out = fmt::format("model\t{}\t{}\t{}\nmemory\t-\t{}\tweights {}, cache {}, work {}\n",
                                escaped(model), files.total_bytes(), escaped(files.path().string()),
                                plan.total(), plan.weights, plan.cache(), plan.work());
  if (!adapter.empty())
    out += fmt::format("adapter\t-\t{}\t{}\n", Adapter::bytes_of(adapter), escaped(adapter));
  for (const Planned& p : items)
    out += fmt::format("{}\t{}\t{}\t{}\n", p.what, escaped(p.id),
                       p.bytes < 0 ? std::string("-") : std::to_string(p.bytes),
                       p.what == "error" ? p.where : escaped(p.where));  // messages are already
  return out;
}

std::string as_json(const std::string& model, const std::string& adapter, const ModelFiles& files,
                    const MemoryPlan& plan, const std::vector<Planned>& items) {
  const auto number = [](std::uint64_t n) { return static_cast<std::int64_t>(n); };
  JsonWriter w;
  w.begin_object().key("schema").string("r1.dry-run/1").key("model").begin_object();
  w.key("name").string(model).key("path").string(files.path().string());
  w.key("bytes").integer(number(files.total_bytes())).end_object().key("adapter");
  if (adapter.empty()) {
    w.null();
  } else {
    w.begin_object().key("path").string(adapter).key("bytes");
    w.integer(number(Adapter::bytes_of(adapter))).end_object();
  }
  w.key("memory").begin_object().key("weights").integer(number(plan.weights));
  w.key("cache").integer(number(plan.cache())).key("work").integer(number(plan.work()));
  w.key("total").integer(number(plan.total())).end_object().key("items").begin_array();
  for (const Planned& p : items) {
    w.begin_object().key("id").string(p.id).key("what").string(p.what).key("bytes");
    p.bytes < 0 ? w.null() : w.integer(p.bytes);
    w.key(p.what == "error" ? "error" : "target").string(p.where).end_object();
  }
  return w.end_array().end_object().text() + "\n";
}

}  // namespace

std::string dry_run(const CompleteSettings& s, const std::string& model, const ModelFiles& files,
                    const MemoryPlan& plan, const std::string& recipe, std::int64_t& failed) {
  const std::vector<Planned> items = planned(s, files, recipe);
  failed = 0;
  for (const Planned& p : items) failed += p.what == "error";
  return s.json ? as_json(model, s.adapter, files, plan, items)
                : as_text(model, s.adapter, files, plan, items);
}

}  // namespace r1
