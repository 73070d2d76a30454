#include "tools/quantize/folder.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/output_folder.h"
#include "lib/base/sha256.h"
#include "lib/quant/types.h"
#include "lib/quant/write_folder.h"
#include "tools/common/progress.h"
#include "tools/common/results.h"
#include "tools/common/signals.h"

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

void write(QuantizeReport& report, const FolderPlan& plan, const fs::path& partial, const Ui& ui) {
  const QuantizeSettings& s = report.settings;
  ThreadPool pool(static_cast<int>(s.threads));
  ProgressLine line(ui.progress);
  const std::uint64_t all = plan.bytes * (s.no_verify ? 1 : 2);
  const auto draw = [&](std::uint64_t done) {
    stop_when_interrupted();
    line.draw(static_cast<std::int64_t>(done >> 20), static_cast<std::int64_t>(all >> 20));
  };
  const WrittenShards written =
      write_folder(partial, report.files, plan, {s.method != "rtn", draw}, pool);
  if (s.no_verify) return;
  report.errors = verify_folder(partial, report.files, plan, written, pool,
                                [&](std::uint64_t done) { draw(plan.bytes + done); });
}

}  // namespace

bool is_folder(const std::string& output) { return !output.ends_with(".gguf"); }

void check_folder(const QuantizeSettings& s) {
  refuse_if(s.target_bpw > 0 || s.awq, "--target-bpw and --awq are for .gguf files");
  if (!folder_type(s.type))
    fail(ErrorKind::usage, "--type {} is for .gguf files, and -o names a folder", s.type);
  refuse_if(
      !s.imatrix.empty() || !s.calibration.empty() || !s.imatrix_out.empty() || s.method == "gptq",
      "--calibration, --imatrix and --method gptq are for .gguf files");
  refuse_if(!s.tensor_types.empty() || !s.output_type.empty() || !s.embed_type.empty() || s.pure,
            "--tensor-type, --output-type, --embed-type and --pure are for .gguf files");
  refuse_if(s.resume, "--resume goes on with a .gguf file; a folder is begun anew");
  std::error_code none;
  if (!s.manifest.empty() && !s.force && !s.dry_run && fs::exists(s.manifest, none))
    fail(ErrorKind::usage, "{} exists; -f replaces it", escaped(s.manifest));
}

void make_folder(QuantizeReport& report, const Ui& ui) {
  const QuantizeSettings& s = report.settings;
  if (report.files.is_gguf())
    fail(ErrorKind::usage, "{} is a GGUF file; a folder is made of a folder",
         escaped(report.files.path().string()));
  fs::path partial = s.output;
  if (!partial.has_filename()) partial = partial.parent_path();
  partial += ".partial";
  keep_inputs({s.output, partial.string()}, {report.files.path().string()});
  const FolderPlan plan = plan_folder(report.files, choice_of(s));
  if (const std::string note = fallbacks(plan); !note.empty()) ui.say("r1-quantize", note, 0);
  report_folder(report, plan);
  if (s.dry_run) return;
  need_space(s.output, plan.bytes, 0);
  OutputFolder folder(s.output, s.force);
  write(report, plan, folder.partial(), ui);
  folder.close();
  for (const FolderShard& shard : plan.shards) {
    const fs::path path = fs::path(s.output) / shard.file;
    report.products.push_back({path, shard.bytes, sha256_hex(MappedFile(path))});
  }
}

}  // namespace r1
