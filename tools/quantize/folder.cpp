#include "tools/quantize/folder.h"

#include <algorithm>
#include <optional>

#include "lib/base/error.h"
#include "lib/base/paths.h"
#include "lib/base/sha256.h"
#include "lib/io/output_folder.h"
#include "lib/quant/types.h"
#include "lib/quant/write_folder.h"
#include "tools/common/results.h"
#include "tools/common/signals.h"
#include "tools/quantize/calibration.h"
#include "tools/quantize/check.h"

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

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t sum = 0;
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, none))
    if (entry.is_regular_file(none)) sum += entry.file_size(none);
  return sum;
}

void warn_of_no_tokenizer(const Messages& messages, const QuantizeReport& report,
                          const FolderPlan& plan) {
  const auto is_tokenizer = [](const fs::path& path) {
    return path.filename() == "tokenizer.model" || path.filename() == "tokenizer.json";
  };
  if (std::none_of(plan.copied.begin(), plan.copied.end(), is_tokenizer))
    messages.warn(fmt::format("{} has no tokenizer, and neither will {}",
                              escaped(report.files.path().string()),
                              escaped(report.settings.output)));
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

Prepared prepare(QuantizeReport& report, const FolderPlan& plan, ThreadPool& pool,
                 Messages& messages) {
  const QuantizeSettings& s = report.settings;
  if (s.calibration.empty()) return {};
  ProgressLine line = messages.progress_line();
  Prepared prepared;
  const CalibrationModel model(report);
  if (!model.too_few().empty()) messages.warn(model.too_few());
  const Calibration calibration = model.calibration([&, done = std::int64_t{0}]() mutable {
    stop_when_interrupted(before_writing(s, {s.output}, prepared.imatrix.has_value()));
    line.draw(++done, 0, "steps");
  });
  if (s.method == "gptq") {
    ImatrixSums sums;
    prepared.packed =
        pack_by_feedback(plan, report.files, calibration, pool, hessian_room(), &sums);
    prepared.imatrix = sums.imatrix();
    messages.phase_done(model.describe() + " and packed with error feedback");
  } else {
    prepared.imatrix = collect_imatrix(calibration);
    messages.phase_done(model.describe());
  }
  keep_imatrix(*prepared.imatrix, model.text(), s);
  return prepared;
}

// Fails with `usage` for one of another model.
Imatrix imatrix_for(const FolderPlan& plan, QuantizeReport& report, const Messages& messages) {
  Imatrix imatrix = read_imatrix(report);
  std::vector<NamedTensor> tensors;
  std::vector<std::string> to_pack;
  for (const FolderWeight& w : plan.weights) {
    tensors.push_back({w.gguf_name, w.source.tensor});
    if (w.quantized) to_pack.push_back(w.gguf_name);
  }
  imatrix.check(tensors);
  warn_of_unseen(messages, imatrix, to_pack);
  return imatrix;
}

void write(QuantizeReport& report, const FolderPlan& plan, const Prepared& prepared,
           const fs::path& partial, ThreadPool& pool, Messages& messages) {
  const QuantizeSettings& s = report.settings;
  ProgressLine line = messages.progress_line();
  const std::uint64_t all = plan.bytes * (s.no_verify ? 1 : 2);
  const std::string hint = resume_hint({s.output});
  const auto draw = [&](std::uint64_t done) {
    stop_when_interrupted(hint);
    line.draw(static_cast<std::int64_t>(done >> 20), static_cast<std::int64_t>(all >> 20), "MiB");
  };
  const WriteFolderOptions options{.search = s.method != "rtn",
                                   .imatrix = prepared.imatrix ? &*prepared.imatrix : nullptr,
                                   .packed = &prepared.packed,
                                   .progress = draw};
  ResumePoint there;
  if (s.resume) {
    there = resume_folder(partial, report.files, plan, options);
    say_what_is_kept(messages, {there}, plan.weights.size());
  }
  SumJournal journal(folder_sums_path(partial), there.kept);
  write_folder(partial, report.files, plan, options, pool, journal);
  messages.phase_done("written");
  if (!s.no_verify) {
    report.errors = verify_folder(partial, report.files, plan, journal.sums(), pool,
                                  [&](std::uint64_t done) { draw(plan.bytes + done); });
    messages.phase_done("read again and compared");
  }
  std::error_code none;
  fs::remove(folder_sums_path(partial), none);
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

bool lies_in(const fs::path& file, const fs::path& folder) {
  return is_same_place(file.parent_path(), folder);
}

// Files of this run that other models need not have.
std::vector<std::string> own_files(const QuantizeSettings& s, const FolderPlan& plan) {
  std::vector<std::string> names;
  for (const fs::path& path : plan.copied) names.push_back(path.filename().string());
  const fs::path manifest(s.manifest);
  if (lies_in(manifest, s.output)) names.push_back(manifest.filename().string());
  return names;
}

// What a folder holds beside its weights.
std::vector<fs::path> side_files_in(const fs::path& folder, const FolderPlan& plan) {
  std::vector<fs::path> paths = {folder / "config.json"};
  for (const fs::path& path : plan.copied) paths.push_back(folder / path.filename());
  if (!plan.index.empty()) paths.push_back(folder / kWeightsIndex);
  return paths;
}

// A folder is replaced with all that is in it, and links of the model may lead there; what the run
// writes elsewhere is not to go with it, nor to replace what it holds.
void check_outputs(const QuantizeReport& report, const FolderPlan& plan) {
  const QuantizeSettings& s = report.settings;
  const fs::path output = s.output, partial = partial_of(s.output);
  std::vector<std::string> replaced = {output.string(), partial.string()};
  std::error_code none;
  for (const fs::path& folder : {output, partial})
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, none))
      replaced.push_back(entry.path().string());
  keep_inputs(replaced, inputs_of(s, report.files));
  refuse_if(lies_in(s.imatrix_out, output) || lies_in(s.imatrix_out, partial),
            "--imatrix-out wants a place outside the folder that -o replaces");
  keep_side_files_from(side_files_in(output, plan), s);
  for (const FolderShard& shard : plan.shards) keep_side_files_from({output / shard.file}, s);
}

// What was written stays for --resume when a signal ends the run; nothing stays after an error.
void make(QuantizeReport& report, const FolderPlan& plan, std::optional<Imatrix> imatrix,
          Messages& messages) {
  const QuantizeSettings& s = report.settings;
  std::error_code none;
  const bool goes_on = s.resume && fs::exists(partial_of(s.output), none);
  OutputFolder folder(s.output, s.force, s.resume, own_files(s, plan));
  bool begun = false;
  try {
    ThreadPool pool(static_cast<int>(s.threads));
    Prepared prepared = prepare(report, plan, pool, messages);
    if (imatrix) prepared.imatrix = std::move(imatrix);
    begun = folder.begin(recipe(s, plan, prepared, report.files));
    if (!begun)
      fail(ErrorKind::usage,
           "{} was begun with other options or from another model; -f alone begins anew",
           escaped(folder.partial().string()));
    write(report, plan, prepared, folder.partial(), pool, messages);
    folder.close();
  } catch (const Error& e) {
    if (begun ? e.kind() == ErrorKind::interrupted : goes_on) folder.keep();
    throw;
  }
}

}  // namespace

void make_folder(QuantizeReport& report, Messages& messages) {
  const QuantizeSettings& s = report.settings;
  if (report.files.is_gguf())
    fail(ErrorKind::usage, "{} is a GGUF file; a folder is made of a folder",
         escaped(report.files.path().string()));
  const FolderPlan plan = plan_folder(report.files, choice_of(s));
  check_outputs(report, plan);
  warn_of_types(messages, s, plan);
  warn_of_no_tokenizer(messages, report, plan);
  report_folder(report, plan);
  warn_of_size(messages, report);
  std::optional<Imatrix> imatrix;
  if (!s.imatrix.empty()) imatrix = imatrix_for(plan, report, messages);
  need_space(s.output, plan.bytes, s.resume ? bytes_in(partial_of(s.output)) : 0);
  if (s.dry_run) return OutputFolder::check(s.output, s.force, s.resume, own_files(s, plan));
  say_of_each(messages, report);
  make(report, plan, std::move(imatrix), messages);
  for (const FolderShard& shard : plan.shards) {
    const fs::path path = fs::path(s.output) / shard.file;
    report.products.push_back({path, shard.bytes, sha256_hex(MappedFile(path))});
  }
  report.side_files = side_files_in(s.output, plan);
}

}  // namespace r1
