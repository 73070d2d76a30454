// r1-quantize: makes models smaller.
#include <csignal>
#include <filesystem>
#include <numeric>
#include <optional>

#include "lib/base/error.h"
#include "lib/base/sha256.h"
#include "lib/quant/budget.h"
#include "lib/quant/channel_scales.h"
#include "lib/quant/quantize_model.h"
#include "tools/common/models.h"
#include "tools/common/progress.h"
#include "tools/common/results.h"
#include "tools/common/signals.h"
#include "tools/manual.h"
#include "tools/quantize/calibration.h"
#include "tools/quantize/folder.h"
#include "tools/quantize/report.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTool = "r1-quantize";

fs::path partial_of(fs::path path) { return path += ".partial"; }

void remove_partial(const fs::path& path) {
  std::error_code none;
  fs::remove(partial_of(path), none);
}

bool is_there(const fs::path& path) {
  std::error_code none;
  return fs::exists(path, none);
}

// Before the work, not after it.
void need_parent(const fs::path& path) {
  std::error_code none;
  const fs::path parent =
      path.has_filename() ? path.parent_path() : path.parent_path().parent_path();
  if (!parent.empty() && !fs::is_directory(parent, none))
    fail(ErrorKind::write, "{}: there is no folder {}", escaped(path.string()),
         escaped(parent.string()));
}

class Quantizer {
 public:
  int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // the product is a file
    Program program = quantize_program(s_, standard_);
    return run_program(program, standard_, kManual, argc, argv,
                       [&](const Ui& ui) { return run(ui); });
  }

 private:
  int run(const Ui& ui) {
    check();
    const fs::path path = find_model(s_.operands[0], model_places(s_.model_path));
    keep_inputs({s_.output, s_.manifest, s_.imatrix_out},
                {path.string(), s_.imatrix, s_.calibration});
    const ModelFiles files = ModelFiles::open(path);
    QuantizeReport report{s_, files, s_.output};
    if (is_folder(s_.output))
      make_folder(report, ui);
    else
      make_gguf(report, path, ui);
    if (!s_.dry_run && !s_.manifest.empty()) {
      const auto manifest = open_file(s_.manifest);
      manifest->write(manifest_json(report));
      manifest->close();
    }
    std::signal(SIGPIPE, SIG_DFL);  // nobody need read what is said of the product
    const auto out = open_stdout();
    out->write(s_.json ? quantize_json(report) : quantize_text(report));
    out->close();
    return 0;
  }

  void make_gguf(QuantizeReport& report, const fs::path& path, const Ui& ui) {
    QuantizePlan plan =
        plan_quantization(report.files, choice(), s_.allow_requantize, data_folder());
    if (s_.cuts_shards) plan.set_shard_size(static_cast<std::uint64_t>(s_.shard_size));
    const bool fitting_cuts = s_.cuts_shards && s_.target_bpw > 0;  // it decides how many shards
    if (!fitting_cuts) check_outputs(plan, report.files);
    if (!s_.imatrix.empty()) read_imatrix(plan);
    if (const std::string note = fallbacks(plan); !note.empty()) ui.say(kTool, note, 0);
    prepare(plan, path, ui);
    if (fitting_cuts) check_outputs(plan, report.files);
    if (!s_.dry_run) make(report, plan, ui);
    report_plan(report, plan);
    report.output = plan.paths(s_.output)[0].string();
  }

  void check() const {
    refuse_if(s_.operands.size() != 1, "one model is quantized at a time; name it");
    refuse_if(s_.output.empty(), "-o names what is written");
    refuse_if(s_.output == "-" || is_device(s_.output),
              "-o wants a file or a folder: it is read again when it is written");
    const bool fitted = s_.target_bpw > 0;
    refuse_if(s_.type.empty() && !fitted, "--type says what the model becomes, such as q4_k_m");
    refuse_if(fitted && !(s_.type.empty() && !s_.pure),
              "--target-bpw chooses types in place of --type and --pure");
    refuse_if(s_.resume && s_.force, "--resume goes on with what -f would replace");
    check_quality();
    is_folder(s_.output) ? check_folder(s_) : check_gguf();
    if (s_.dry_run) return;
    for (const std::string& file : {s_.output, s_.manifest, s_.imatrix_out}) need_parent(file);
    if (s_.force) return;
    // The run that --resume goes on with has written its importance matrix.
    for (const std::string& file : {s_.manifest, s_.resume ? std::string() : s_.imatrix_out})
      if (!file.empty() && is_there(file))
        fail(ErrorKind::usage, "{} exists; -f replaces it", escaped(file));
  }

  void check_quality() const {
    const bool fitted = s_.target_bpw > 0;
    const bool calibrated = !(s_.imatrix.empty() && s_.calibration.empty());
    refuse_if(fitted && s_.calibration.empty(), "--target-bpw wants --calibration");
    refuse_if(s_.method == "rtn" && calibrated && !s_.awq && !fitted,
              "--method rtn rounds to nearest, whatever --imatrix or --calibration say");
    refuse_if(s_.awq && !calibrated, "--awq wants --calibration or --imatrix");
    refuse_if(s_.method == "gptq" && s_.calibration.empty(), "--method gptq wants --calibration");
    refuse_if(!s_.imatrix.empty() && !s_.calibration.empty(),
              "--calibration makes what --imatrix reads; one of them is enough");
    refuse_if(!s_.imatrix_out.empty() && s_.calibration.empty(),
              "--imatrix-out keeps what --calibration finds");
    refuse_if(!s_.manifest.empty() && s_.manifest == s_.imatrix_out,
              "--manifest and --imatrix-out want files of their own");
  }

  void check_gguf() const {
    if (s_.target_bpw == 0 && !is_mix(s_.type))
      fail(ErrorKind::usage, "--type {} is for folders, and -o names a .gguf file", s_.type);
  }

  // Every file of the model is one of its own, and replaces only what may be replaced.
  void check_outputs(const QuantizePlan& plan, const ModelFiles& files) const {
    std::vector<std::string> inputs;
    for (const fs::path& path : files.paths()) inputs.push_back(path.string());
    std::error_code none;
    for (const fs::path& path : plan.paths(s_.output)) {
      const fs::path partial = partial_of(path);
      keep_inputs({path.string(), partial.string()}, inputs);
      for (const std::string& file : {s_.manifest, s_.imatrix_out})
        refuse_if(!file.empty() && (file == path || file == partial),
                  "--manifest and --imatrix-out want files of their own");
      refuse_if(fs::is_directory(path, none), "-o ends in .gguf, and is a folder");
      if (s_.dry_run || s_.force) continue;
      if (is_there(path))
        fail(ErrorKind::usage, "{} exists; -f replaces it", escaped(path.string()));
      if (!s_.resume && is_there(partial))
        fail(ErrorKind::usage, "{} exists; --resume goes on with it, -f begins anew",
             escaped(partial.string()));
    }
  }

  void read_imatrix(const QuantizePlan& plan) {
    imatrix_ = Imatrix::read(s_.imatrix);
    imatrix_->check(plan.sources());
  }

  TypeChoice choice() const {
    TypeChoice c{.mix = &mix_named(s_.type.empty() ? "q4_0" : s_.type),  // replaced by fit_types
                 .pure = s_.pure || s_.target_bpw > 0,
                 .calibrated = !s_.calibration.empty() || !s_.imatrix.empty(),
                 .rules = {},
                 .keep = {},
                 .head = {},
                 .embedding = {}};
    if (!s_.output_type.empty()) c.head = parse_type(s_.output_type, "--output-type");
    if (!s_.embed_type.empty()) c.embedding = parse_type(s_.embed_type, "--embed-type");
    for (const std::string& rule : s_.tensor_types) {
      const std::size_t at = rule.rfind('=');
      if (at == std::string::npos)
        fail(ErrorKind::usage, "--tensor-type '{}' is not RE=TYPE", escaped(rule));
      c.rules.push_back({parse_pattern(rule.substr(0, at), "--tensor-type"),
                         parse_type(rule.substr(at + 1), "--tensor-type")});
    }
    for (const std::string& keep : s_.keep) c.keep.push_back(parse_pattern(keep, "--keep"));
    return c;
  }

  // How many tensors of each shard are there already: none without --resume.
  std::vector<std::size_t> begin(const QuantizePlan& plan, const Ui& ui) const {
    std::vector<std::size_t> done;
    for (const fs::path& path : plan.paths(s_.output)) {
      const fs::path partial = partial_of(path);
      if (!s_.resume) remove_partial(path);
      const auto there =
          is_there(partial) ? resume_point(partial, plan, done.size()) : std::size_t{0};
      if (!there)
        fail(ErrorKind::usage,
             "{} was begun with other options or from another model; -f begins anew",
             escaped(partial.string()));
      done.push_back(*there);
    }
    if (s_.resume)
      ui.say(kTool,
             fmt::format("{} of {} tensors are written already",
                         std::accumulate(done.begin(), done.end(), std::size_t{0}),
                         plan.tensors.size()),
             1);
    return done;
  }

  // What the bytes depend on beside the header: a run may go on with another's file only where all
  // of it is the same.
  std::string recipe(const ModelFiles& files) const {
    const std::string text = fmt::format("{}\n{}\n{}\n{}", files.digest(), s_.method, s_.awq,
                                         imatrix_ ? imatrix_->digest() : std::string());
    return sha256_hex(as_bytes(text)).substr(0, 16);
  }

  // What was written stays for --resume when a signal ends the run; nothing stays after an error.
  void make(QuantizeReport& report, QuantizePlan& plan, const Ui& ui) {
    plan.set_recipe(recipe(report.files));
    const std::vector<fs::path> paths = plan.paths(s_.output);
    std::uint64_t there = 0;
    for (const fs::path& path : paths) {
      std::error_code unknown;
      const std::uint64_t size = fs::file_size(partial_of(path), unknown);
      if (!unknown) there += size;
    }
    need_space(s_.output, plan.bytes, there);
    const std::vector<std::size_t> done = begin(plan, ui);
    try {
      write(report, plan, done, ui);
      for (const fs::path& path : paths) open_journal(path)->close();  // all have their names now
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::interrupted)
        for (const fs::path& path : paths) remove_partial(path);
      throw;
    }
    for (std::size_t s = 0; s < paths.size(); ++s)
      report.products.push_back({paths[s], plan.shards[s].bytes, sha256_hex(MappedFile(paths[s]))});
  }

  // What rounding goes by: importance, types of their own, scales of channels, error feedback.
  void prepare(QuantizePlan& plan, const fs::path& path, const Ui& ui) {
    if (s_.dry_run && s_.target_bpw == 0) return;
    const bool search = s_.method != "rtn";
    ProgressLine line(ui.progress);
    std::int64_t done = 0;
    const auto tick = [&] {
      stop_when_interrupted();
      line.draw(++done, 0);
    };
    ThreadPool pool(static_cast<int>(s_.threads));
    std::optional<CalibrationModel> model;
    std::optional<Calibration> calibration;
    if (!s_.calibration.empty()) {
      model.emplace(s_, path);
      calibration.emplace(model->calibration(tick));
      imatrix_ = collect_imatrix(*calibration);
      keep_imatrix(*imatrix_, s_);
    }
    if (s_.target_bpw > 0) fit_types(plan, *calibration, *imatrix_, s_.target_bpw, search, pool);
    if (s_.dry_run) return;
    if (s_.awq) scale_channels(plan, *imatrix_, search, pool, tick);
    if (s_.method == "gptq") packed_ = pack_by_feedback(plan, *calibration, pool, kHessianBytes);
  }

  // All shards, each as it will be but for its name.
  void write(QuantizeReport& report, const QuantizePlan& plan, const std::vector<std::size_t>& done,
             const Ui& ui) const {
    ThreadPool pool(static_cast<int>(s_.threads));
    ProgressLine line(ui.progress);
    const std::uint64_t all = plan.bytes * (s_.no_verify ? 1 : 2);
    const std::vector<fs::path> paths = plan.paths(s_.output);
    const std::string first = partial_of(paths[0]).string();
    const std::string hint = fmt::format("; --resume goes on with {}", escaped(first));
    const auto draw = [&](std::uint64_t bytes) {
      stop_when_interrupted(hint);
      line.draw(static_cast<std::int64_t>(bytes >> 20), static_cast<std::int64_t>(all >> 20));
    };
    const QuantizeOptions options{.search = s_.method != "rtn",
                                  .imatrix = imatrix_ ? &*imatrix_ : nullptr,
                                  .packed = &packed_,
                                  .progress = draw};
    std::vector<std::vector<Digests>> written;
    for (std::size_t s = 0; s < paths.size(); ++s) {
      const auto out = open_journal(paths[s]);
      written.push_back(write_quantized(*out, report.files, plan, options, pool, s, done[s]));
    }
    if (s_.no_verify) return;
    for (std::size_t s = 0; s < paths.size(); ++s) {
      const auto errors = verify_quantized(
          partial_of(paths[s]), report.files, plan, written[s], pool,
          [&](std::uint64_t checked) { draw(plan.bytes + checked); }, s);
      report.errors.insert(report.errors.end(), errors.begin(), errors.end());
    }
  }

  QuantizeSettings s_;
  StandardOptions standard_;
  std::optional<Imatrix> imatrix_;
  PackedTensors packed_;
};

}  // namespace
}  // namespace r1

int main(int argc, char** argv) { return r1::Quantizer().main(argc, argv); }
