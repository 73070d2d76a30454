// r1-bench: measures models, operations and machines, and compares measurements.
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "lib/backend/open_backend.h"
#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/utf8.h"
#include "lib/train/text_lines.h"
#include "tools/bench/compare.h"
#include "tools/bench/hardware.h"
#include "tools/bench/machine_tests.h"
#include "tools/bench/model_tests.h"
#include "tools/bench/op_case.h"
#include "tools/bench/plot.h"
#include "tools/bench/quality_pass.h"
#include "tools/bench/ranges.h"
#include "tools/bench/serve.h"
#include "tools/bench/session.h"
#include "tools/bench/table.h"
#include "tools/common/inputs.h"
#include "tools/common/models.h"
#include "tools/common/results.h"
#include "tools/common/settings.h"
#include "tools/common/signals.h"
#include "tools/manual.h"

namespace r1 {
namespace {

constexpr const char* kTool = "r1-bench";
constexpr std::int64_t kShortTestMs = 200;

// As wide as a record will show a model of this name.
std::string widest_name(const std::string& name) { return short_name(name) + " (q8_0)"; }

std::string read_text(const std::string& path) {
  return path == "-" ? read_stdin() : read_file(path);
}

// Where a result goes: what a link leads to is replaced, not the link. A file behind /dev/stdout is
// not to be replaced at all.
std::string place_of(const std::string& path) {
  if (path == "/dev/stdout") return "-";
  std::error_code nowhere;
  if (is_device(path) || !std::filesystem::is_symlink(path, nowhere)) return path;
  const std::filesystem::path target = std::filesystem::canonical(path, nowhere);
  return nowhere ? path : target.string();
}

class Bench {
 public:
  int main(int argc, char** argv) {
    Program program = bench_program(s_, standard_);
    return run_program(program, standard_, kManual, argc, argv, [&](const Ui& ui) {
      try {
        return run(ui);
      } catch (const Error& e) {
        if (e.kind() != ErrorKind::interrupted) throw;
        return 1;  // the signal ends us, without a word
      }
    });
  }

 private:
  int run(const Ui& ui) {
    for (std::string* path : {&s_.output, &s_.plot}) *path = place_of(*path);
    if (s_.list_models) {
      print_whole(model_list(model_places(s_.model_path), s_.json));
      return 0;
    }
    keep_inputs(s_.outputs(), config_files(standard_.config));
    check(s_);
    if (s_.compare) return run_compare(ui);
    const auto backend = open(s_.device);
    Probes probes(*backend, static_cast<int>(s_.threads));
    ui.say(kTool, "on " + backend->describe(), 1);
    if (s_.hardware) return run_hardware(*backend, probes, ui);
    if (s_.serve) return run_serve(*backend, probes, ui);
    if (!s_.quality.empty()) return run_quality(*backend, probes, ui);
    return s_.models.empty() ? run_machine(*backend, probes, ui) : run_models(*backend, probes, ui);
  }

  // A card's machine is looked at too.
  int run_hardware(Backend& backend, Probes& probes, const Ui& ui) {
    if (probes.on_host()) return write_hardware(backend, probes, std::nullopt, ui);
    const Card card = look_at_card(probes);
    const auto host = open("cpu");
    Probes host_probes(*host, static_cast<int>(s_.threads));
    return write_hardware(*host, host_probes, card, ui);
  }

  int write_hardware(Backend& host, Probes& probes, const std::optional<Card>& card, const Ui& ui) {
    const auto out = open_results(s_.output, false, s_.force);
    const auto before = cpu_times();
    const Limits limits = measure_limits(probes);
    stop_when_interrupted();
    if (const auto warning = disturbance(interference(before, cpu_times())))
      ui.say(kTool, *warning, 0);
    const Hardware hardware{cpu_info(), host.describe(),    probes.threads(),
                            limits,     available_memory(), card};
    out->write(s_.form() == "json" ? hardware_json(hardware) : hardware_text(hardware));
    out->close();
    return 0;
  }

  std::unique_ptr<Backend> open(const std::string& device) const {
    return open_backend(device, {.threads = static_cast<int>(s_.threads), .cpu_isa = s_.cpu_isa});
  }

  // The results are safe before the picture is drawn.
  int end(Session& session, Probes& probes) const {
    const int status = session.end();
    if (s_.plot.empty()) return status;
    const std::string svg = plot_svg(session.records(), measure_limits(probes));
    const auto out = open_results(s_.plot, false, s_.force);
    out->write(svg);
    out->close();
    return status;
  }

  // Without --ops everything, within a minute or so: each test for less long, unless it is said.
  int run_machine(Backend& backend, Probes& probes, const Ui& ui) {
    std::vector<MachineTest> tests;
    if (s_.ops.empty()) {
      tests = machine_tests(backend, probes);
      if (!s_.min_time_given) s_.min_time_ms = kShortTestMs;
    }
    const std::string wanted = s_.ops.empty() ? "*" : s_.ops;
    for (const OpCase& op : op_cases())
      if (is_asked_for(op, wanted, probes.on_host()))
        tests.push_back({op.id(), [&backend, &op] { return op_runnable(op, backend); }});
    if (tests.empty())
      fail(ErrorKind::usage, "no operation fits '{}'; --ops '*' measures all", escaped(s_.ops));
    std::vector<Planned> planned;
    planned.reserve(tests.size());
    for (const MachineTest& t : tests) planned.push_back({"", t.id});
    Session session(s_, ui, probes, planned);
    for (const MachineTest& t : tests) {
      BenchRecord known;
      known.id = t.id;
      session.run(known, t.prepare);
    }
    return end(session, probes);
  }

  std::filesystem::path model_at(const std::string& name) const {
    std::filesystem::path path = find_model(name, model_places(s_.model_path));
    keep_inputs(s_.outputs(), {path.string()});
    return path;
  }

  // All models are found before the first is measured: a wrong name should not cost an hour.
  int run_models(Backend& backend, Probes& probes, const Ui& ui) {
    const std::vector<ModelTest> tests = model_tests(s_);
    std::vector<std::filesystem::path> paths;
    std::vector<Planned> planned;
    for (const std::string& name : s_.models) {
      paths.push_back(model_at(name));
      for (const ModelTest& t : tests)
        planned.push_back({widest_name(measured_name(s_, name, false)), t.id()});
    }
    Session session(s_, ui, probes, planned);
    for (std::size_t i = 0; i < paths.size(); ++i)
      if (const auto model = load(backend, session, ui, i, paths[i])) {
        BenchRecord known = model->record();
        for (const ModelTest& t : tests) {
          known.id = t.id();
          session.run(known, [&] { return model->runnable(t); });
        }
      }
    return end(session, probes);
  }

  // Static against dynamic batching; of the shipped model when none is named.
  int run_serve(Backend& backend, Probes& probes, const Ui& ui) {
    if (s_.models.empty()) s_.models = {kShippedModel};
    const std::string sizes = s_.batch_size_given ? s_.batch_size : "16";
    const auto batches = parse_ranges(sizes, "--batch-size", 1, 1024);
    const std::string lengths =
        s_.lengths.empty() ? "" : as_usage([&] { return read_text(s_.lengths); });
    std::vector<std::string> cut;
    requests_of(s_, lengths, std::numeric_limits<std::int64_t>::max(), cut);  // are they right?
    std::vector<Planned> planned;
    for (const std::string& name : s_.models)
      for (const std::int64_t batch : batches)
        for (const Batching batching : {Batching::fixed, Batching::dynamic})
          planned.push_back(
              {widest_name(measured_name(s_, name, false)), serve_id(batching, batch), false});
    std::vector<std::filesystem::path> paths;
    for (const std::string& name : s_.models) paths.push_back(model_at(name));
    Session session(s_, ui, probes, planned);
    for (std::size_t i = 0; i < paths.size(); ++i)
      if (const auto model = load(backend, session, ui, i, paths[i]))
        for (const std::int64_t batch : batches) {
          std::vector<BenchRecord> known(2, model->record());
          known[0].id = serve_id(Batching::fixed, batch);
          known[1].id = serve_id(Batching::dynamic, batch);
          session.run_all(known,
                          [&] { return compare_batching(backend, *model, s_, lengths, batch); });
        }
    return session.end();
  }

  QualityText quality_text(const Ui& ui) const {
    const std::string name = std::filesystem::path(s_.quality).filename().string();
    QualityText text{
        .id = "quality:" + escaped(name),
        .name = name,
        .bytes = as_usage([&] { return text_of_file(read_text(s_.quality), s_.quality); }),
        .window = s_.window,
        .exact = s_.window_given,
        .limit = s_.limit};
    if (text.bytes.empty()) fail(ErrorKind::usage, "{} is empty", shown_input(s_.quality));
    if (!is_utf8(text.bytes))
      ui.say(kTool, escaped(s_.quality) + " is not UTF-8; what is not counts byte by byte", 0);
    return text;
  }

  // How well models predict a text; the base is the first of them. All are in memory together.
  int run_quality(Backend& backend, Probes& probes, const Ui& ui) {
    const QualityText text = quality_text(ui);
    if (s_.models.empty()) s_.models = {kShippedModel};
    const bool against_first = !s_.base.empty();
    if (against_first) s_.models.insert(s_.models.begin(), s_.base);
    std::vector<std::filesystem::path> paths;
    std::vector<Planned> planned;
    for (const std::string& name : s_.models) {
      const bool base = against_first && paths.empty();
      paths.push_back(model_at(name));
      planned.push_back({.model = widest_name(measured_name(s_, name, base)),
                         .id = text.id,
                         .limited = false,
                         .quality = true,
                         .against_base = against_first});
    }
    Session session(s_, ui, probes, planned);
    std::vector<std::unique_ptr<MeasuredNetwork>> loaded;
    for (std::size_t i = 0; i < paths.size(); ++i)
      if (auto model = load(backend, session, ui, i, paths[i])) loaded.push_back(std::move(model));
    for (QualityOutcome& o :
         measure_quality(backend, loaded, against_first, text, static_cast<int>(s_.threads),
                         [&](std::int64_t done, std::int64_t all) { session.draw(done, all); })) {
      if (o.error)
        session.add_error(std::move(o.record), *o.error);
      else
        session.add(std::move(o.record));
    }
    session.stop_when_interrupted();
    return session.end();
  }

  // Model `i`, or nothing and a record of why: one model's failure is the run's only where there
  // are no others to go on with, or where all are held against it. --kv-type and --adapter are not
  // for the base: what is held against it shows what they change.
  std::unique_ptr<MeasuredNetwork> load(Backend& backend, Session& session, const Ui& ui,
                                        std::size_t i, const std::filesystem::path& path) {
    const std::string& name = s_.models[i];
    std::unique_ptr<MeasuredNetwork> model;
    const bool base = i == 0 && !s_.base.empty();
    try {
      model = std::make_unique<MeasuredNetwork>(backend, s_, name, path, base);
    } catch (const Error& e) {
      if (s_.models.size() == 1 || base) throw;
      BenchRecord known;
      known.id = "load";
      known.model = {name, "", "", 0, 0};
      session.add_error(known, e);
      return nullptr;
    }
    ui.say(kTool,
           fmt::format("{}: {}, loaded in {:.0f} ms", escaped(name), model->info().quant,
                       *model->record().load_ns / 1e6),
           1);
    return model;
  }

  int run_compare(const Ui& ui) {
    std::vector<PooledTest> sides[2];
    for (std::size_t i = 0; i < 2; ++i)
      sides[i] = as_usage([&] { return read_tests(read_text(s_.operands[i]), s_.operands[i]); });
    const Compared compared = compare(sides[0], sides[1]);
    if (compared.tests.empty() && !compared.failed)
      fail(ErrorKind::usage, "the two files have no test in common");
    const auto out = open_results(s_.output, s_.form() == "jsonl", s_.force);
    write_comparison(compared, s_.form(), [&](std::string_view text) { out->write(text); });
    out->close();
    for (const std::string& warning : compared.warnings) ui.say(kTool, warning, 0);
    return s_.fails_if_slower ? slower(compared, ui) : 0;
  }

  int slower(const Compared& compared, const Ui& ui) const {
    int status = compared.failed ? 1 : 0;
    for (const Comparison& c : compared.tests) {
      if (!c.slower_than(s_.fail_if_slower)) continue;
      ui.say(kTool, fmt::format("{}: slower by {:.1f} %", escaped(c.id), 100 * (1 - c.speed.value)),
             -1);
      status = 1;
    }
    return status;
  }

  BenchSettings s_;
  StandardOptions standard_;
};

}  // namespace
}  // namespace r1

int main(int argc, char** argv) { return r1::Bench().main(argc, argv); }
