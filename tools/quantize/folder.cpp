#include "tools/quantize/folder.h"

#include <algorithm>
#include <optional>

#include "lib/base/error.h"
#include "lib/base/output_folder.h"
#include "lib/base/sha256.h"
#include "lib/quant/types.h"
#include "lib/quant/write_folder.h"
#include "tools/common/progress.h"
#include "tools/common/results.h"
#include "tools/common/signals.h"
#include "tools/quantize/calibration.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

FolderChoice choice_of(const QuantizeSettings& s) {
  FolderChoice choice{.type = *folder_type(s.type),
                      .requantize = s.allow_requantize,
                      .shard_bytes = static_cast<std::uint64_t>(s.shard_size)};
  for (const std::string& keep : s.keep) choice.keep.push_back(parse_pattern(keep, "--keep"));
  return choice;
}

fs::path partial_of(const fs::path& output) {
  fs::path partial = output.has_filename() ? output : output.parent_path();
  return partial += ".partial";
}

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t sum = 0;
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, none))
    if (entry.is_regular_file(none)) sum += entry.file_size(none);
  return sum;
}

std::string fallbacks(const FolderPlan& plan) {
  const auto fell_back = [](const FolderWeight& w) { return w.fell_back; };
  const auto n = std::count_if(plan.weights.begin(), plan.weights.end(), fell_back);
  if (n == 0) return {};
  const auto first = std::find_if(plan.weights.begin(), plan.weights.end(), fell_back);
  return fmt::format("{} of {} tensors do not divide into groups of 128: {} stays {}", n,
                     plan.weights.size(), escaped(first->source.name),
                     to_string(first->stored[0].tensor.dtype));
}

void report_folder(QuantizeReport& report, const FolderPlan& plan) {
  for (const FolderWeight& w : plan.weights) {
    const std::string_view to =
        w.quantized ? std::string_view(report.settings.type) : to_string(w.stored[0].tensor.dtype);
    report.rows.push_back(
        {w.source.name, w.source.tensor.shape, to_string(w.source.tensor.dtype), to, w.bytes()});
  }
  report.bytes = plan.bytes;
}

// What rounding goes by.
struct Prepared {
  std::optional<Imatrix> imatrix;
  PackedTensors packed;
};

Prepared prepare(const QuantizeSettings& s, const FolderPlan& plan, const ModelFiles& files,
                 ThreadPool& pool, const Ui& ui) {
  if (s.calibration.empty()) return {};
  ProgressLine line(ui.progress);
  const CalibrationModel model(s, files.path());
  const Calibration calibration = model.calibration([&, done = std::int64_t{0}]() mutable {
    stop_when_interrupted();
    line.draw(++done, 0);
  });
  Prepared prepared{collect_imatrix(calibration), {}};
  keep_imatrix(*prepared.imatrix, s);
  if (s.method == "gptq")
    prepared.packed = pack_by_feedback(plan, files, calibration, pool, kHessianBytes);
  return prepared;
}

// Fails with `usage` for one of another model.
Imatrix imatrix_for(const FolderPlan& plan, const std::string& path) {
  Imatrix imatrix = Imatrix::read(path);
  std::vector<NamedTensor> tensors;
  for (const FolderWeight& w : plan.weights) tensors.push_back({w.gguf_name, w.source.tensor});
  imatrix.check(tensors);
  return imatrix;
}

void write(QuantizeReport& report, const FolderPlan& plan, const Prepared& prepared,
           const fs::path& partial, ThreadPool& pool, const Ui& ui) {
  const QuantizeSettings& s = report.settings;
  ProgressLine line(ui.progress);
  const std::uint64_t all = plan.bytes * (s.no_verify ? 1 : 2);
  const std::string hint = fmt::format("; --resume goes on with {}", escaped(partial.string()));
  const auto draw = [&](std::uint64_t done) {
    stop_when_interrupted(hint);
    line.draw(static_cast<std::int64_t>(done >> 20), static_cast<std::int64_t>(all >> 20));
  };
  const WriteFolderOptions options{.search = s.method != "rtn",
                                   .imatrix = prepared.imatrix ? &*prepared.imatrix : nullptr,
                                   .packed = &prepared.packed,
                                   .progress = draw};
  const WrittenShards written = write_folder(partial, report.files, plan, options, pool);
  if (s.no_verify) return;
  report.errors = verify_folder(partial, report.files, plan, written, pool,
                                [&](std::uint64_t done) { draw(plan.bytes + done); });
}

// What the files' bytes depend on.
std::string recipe(const QuantizeSettings& s, const FolderPlan& plan, const Prepared& prepared,
                   const ModelFiles& files) {
  std::string text =
      fmt::format("{}\n{}\n{}\n{}\n{}\n", build_info().version, files.digest(), s.type, s.method,
                  prepared.imatrix ? prepared.imatrix->digest() : std::string());
  for (const FolderShard& shard : plan.shards) text += shard.file + shard.header;
  return sha256_hex(as_bytes(text));
}

// What was written stays for --resume when a signal ends the run; nothing stays after an error.
void make(QuantizeReport& report, const FolderPlan& plan, std::optional<Imatrix> imatrix,
          const Ui& ui) {
  const QuantizeSettings& s = report.settings;
  std::error_code none;
  const bool goes_on = s.resume && fs::exists(partial_of(s.output), none);
  OutputFolder folder(s.output, s.force, s.resume);
  bool begun = false;
  try {
    ThreadPool pool(static_cast<int>(s.threads));
    Prepared prepared = prepare(s, plan, report.files, pool, ui);
    if (imatrix) prepared.imatrix = std::move(imatrix);
    begun = folder.begin(recipe(s, plan, prepared, report.files));
    if (!begun)
      fail(ErrorKind::usage,
           "{} was begun with other options or from another model; -f begins anew",
           escaped(folder.partial().string()));
    write(report, plan, prepared, folder.partial(), pool, ui);
    folder.close();
  } catch (const Error& e) {
    if (begun ? e.kind() == ErrorKind::interrupted : goes_on) folder.keep();
    throw;
  }
}

}  // namespace

bool is_folder(const std::string& output) { return !output.ends_with(".gguf"); }

void check_folder(const QuantizeSettings& s) {
  refuse_if(s.target_bpw > 0 || s.awq, "--target-bpw and --awq are for .gguf files");
  if (!folder_type(s.type))
    fail(ErrorKind::usage, "--type {} is for .gguf files, and -o names a folder", s.type);
  refuse_if(folder_type(s.type) != FolderType::w4a16 &&
                (!s.imatrix.empty() || !s.calibration.empty() || s.method == "gptq"),
            "--calibration, --imatrix and --method gptq are for .gguf files and --type w4a16");
  refuse_if(!s.tensor_types.empty() || !s.output_type.empty() || !s.embed_type.empty() || s.pure,
            "--tensor-type, --output-type, --embed-type and --pure are for .gguf files");
  for (const std::string& file : {s.manifest, s.imatrix_out})
    refuse_if(!file.empty() && (file == s.output || file == s.output + ".partial"),
              "--manifest and --imatrix-out want files of their own");
}

void make_folder(QuantizeReport& report, const Ui& ui) {
  const QuantizeSettings& s = report.settings;
  if (report.files.is_gguf())
    fail(ErrorKind::usage, "{} is a GGUF file; a folder is made of a folder",
         escaped(report.files.path().string()));
  const fs::path partial = partial_of(s.output);
  keep_inputs({s.output, partial.string()}, {report.files.path().string()});
  const FolderPlan plan = plan_folder(report.files, choice_of(s));
  if (const std::string note = fallbacks(plan); !note.empty()) ui.say("r1-quantize", note, 0);
  report_folder(report, plan);
  std::optional<Imatrix> imatrix;
  if (!s.imatrix.empty()) imatrix = imatrix_for(plan, s.imatrix);
  if (s.dry_run) return;
  need_space(s.output, plan.bytes, s.resume ? bytes_in(partial) : 0);
  make(report, plan, std::move(imatrix), ui);
  for (const FolderShard& shard : plan.shards) {
    const fs::path path = fs::path(s.output) / shard.file;
    report.products.push_back({path, shard.bytes, sha256_hex(MappedFile(path))});
  }
}

}  // namespace r1
