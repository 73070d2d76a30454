#include "tools/finetune/check.h"

#include <algorithm>
#include <filesystem>

#include "lib/base/error.h"
#include "lib/base/output.h"
#include "lib/base/paths.h"
#include "lib/models/adapter.h"
#include "lib/quant/types.h"
#include "lib/text/chat_template.h"
#include "tools/common/inputs.h"
#include "tools/common/results.h"
#include "tools/finetune/event_file.h"
#include "tools/finetune/export.h"
#include "tools/finetune/products.h"
#include "tools/finetune/run_file.h"
#include "tools/finetune/scratch.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

void check_names(const FinetuneSettings& s) {
  if (!s.operands.empty())
    fail(ErrorKind::usage, "{} is no option: -m names the model, and --data what it learns",
         escaped(s.operands.front()));
  refuse_if(s.data.empty(), "--data names what is learnt");
  refuse_if(s.output.empty() && (!s.dry_run || s.resume), "-o names the folder that is written");
  for (const std::vector<std::string>* list : {&s.data, &s.val})
    for (const std::string& name : *list)
      if (name == "-" || is_device(name))
        fail(ErrorKind::usage, "{} is read more than once, and wants to be a file",
             shown_input(name));
}

void check_scratch(const FinetuneSettings& s) {
  refuse_if(!s.init.empty() && !s.model.empty(), "--init takes the place of --model");
  refuse_if(s.init.empty() != s.tokenizer.empty(), "--init and --tokenizer go together");
  refuse_if(!s.init.empty() && s.method_given && s.method != "full",
            "all weights are learnt with --init, not an adapter");
}

// What a configuration file says of them is not meant where all weights are learnt.
void forget_adapters(FinetuneSettings& s) {
  s.adapter.clear();
  s.modules.clear();
  s.quantize_base.clear();
  s.rslora = false;
  s.dropout = 0;
}

// An adapter that is taught further has a form of its own, and says what conversations look like.
void take_adapter(FinetuneSettings& s) {
  refuse_if(s.shape_given, "--adapter has its own --rank, --alpha, --rslora and --target-modules");
  const fs::path folder(s.adapter);
  std::error_code none;
  if (!is_there(folder)) fail(ErrorKind::usage, "there is no adapter {}", escaped(s.adapter));
  if (!is_there(folder / Adapter::kConfig))
    fail(ErrorKind::usage, "{} {}; a folder of peft's is taught further", escaped(s.adapter),
         fs::is_regular_file(folder, none) || is_there(folder / Adapter::kFile)
             ? "is an adapter of llama.cpp's"
             : "holds no adapter");
  const AdapterChoice own = Adapter::choice_of(folder);
  const std::string method = own.dora ? "dora" : "lora";
  if (s.method_given && s.method != method)
    fail(ErrorKind::usage, "{} was learnt by --fine-tune-type {}", escaped(s.adapter), method);
  s.method = method;
  s.rank = own.rank;
  s.alpha = own.alpha;
  s.rslora = own.rank_stabilized;
  if (s.chat_template.empty() && is_there(folder / kChatTemplateFile))
    s.chat_template = (folder / kChatTemplateFile).string();
}

void check_method(FinetuneSettings& s) {
  if (!s.init.empty() && !s.method_given) s.method = "full";
  refuse_if(!s.full() && s.optimizer == "muon", "--optimizer muon is of --fine-tune-type full");
  if (s.full()) forget_adapters(s);
  if (!s.adapter.empty()) take_adapter(s);
  refuse_if(s.dpo() && s.full(),
            "--objective dpo is of --fine-tune-type lora and dora: it is held against the model "
            "without them");
  if (!s.rate_given) s.rate = !s.full() ? 2e-4 : s.init.empty() ? 1e-5 : 1e-3;
}

void check_qat(FinetuneSettings& s) {
  if (s.qat.empty()) return;
  refuse_if(s.method == "dora" || s.dpo() || s.dropout > 0 || !s.quantize_base.empty(),
            "--qat goes neither with dora and dpo nor with --dropout and --quantize-base");
  refuse_if(s.export_given && s.export_kind != "gguf",
            "--qat is exported as the .gguf file that it was taught for");
  refuse_if(s.export_type_given && s.export_type != s.qat,
            "--qat is exported as the type that it was taught for");
  want_mix("--qat", s.export_type = s.qat);
}

void check_precision(FinetuneSettings& s) {
  const bool half = s.weight_type == "bf16";
  refuse_if(half && (!s.full() || s.optimizer == "muon" || !s.qat.empty()),
            "--weight-type bf16 is of --fine-tune-type full by AdamW, without --qat");
  refuse_if(half && !s.precision.empty() && s.precision != "bf16",
            "--weight-type bf16 goes with --precision bf16");
  if (half) s.precision = "bf16";
  refuse_if(!s.full() && (s.precision == "fp8" || s.precision == "fp16"),
            "--precision fp16 and fp8 are of --fine-tune-type full");
}

void check_course(FinetuneSettings& s) {
  if (!s.resume_from.empty())  // the name of a checkpoint says its step
    s.resume_from = fs::path(s.resume_from + "/").parent_path().string();
  refuse_if(!s.val.empty() && s.val_share > 0, "--val-share takes the place of --val");
  if (!s.measures()) s.early_stop = 0;
  refuse_if(s.resume && s.force, "--resume goes on with what -f would replace");
  refuse_if(s.allow_data_change && !s.resume && s.resume_from.empty(),
            "--allow-data-change is of --resume and --resume-from");
  refuse_if(s.iters_given && s.epochs > 0,
            "--iters and --epochs say the same in two ways: one of them is enough");
}

// What is gone on with would be in the way, or replaced.
void check_resume_from(const FinetuneSettings& s) {
  if (s.resume_from.empty()) return;
  const fs::path from = s.resume_from;
  for (const fs::path& of_run : {from, from.parent_path()})
    refuse_if(is_same_place(of_run.string(), s.output),
              "--resume-from goes on in a folder of its own; --resume in the same one");
}

bool is_of_the_run(const std::string& name, const FinetuneSettings& s) {
  const auto within = [&](const std::string& file) {
    return is_same_place(name, fs::path(s.output) / file);
  };
  const std::vector<std::string> own = names_of_any_run();
  return is_same_place(name, s.output) || within(kStart) ||
         std::any_of(own.begin(), own.end(), within);
}

// Found out before anything of an earlier run is gone.
void want_folders_of_records(const FinetuneSettings& s) {
  const fs::path folder = fs::path(s.log_csv).parent_path();
  std::error_code error;
  if (!folder.empty() && folder != fs::path(s.output) && !fs::is_directory(folder, error))
    fail(ErrorKind::write, "{} is to be in {}, which is no folder", escaped(s.log_csv),
         escaped(folder.string()));
  if (fs::exists(s.tensorboard, error) && !fs::is_directory(s.tensorboard, error))
    fail(ErrorKind::write, "{} is no folder", escaped(s.tensorboard));
}

// Nothing, or what a run left that was killed while it wrote its first file.
bool is_empty_folder(const fs::path& folder) {
  std::error_code error;
  const fs::directory_iterator all(folder, error);
  return !error && std::all_of(begin(all), end(all), [](const fs::directory_entry& entry) {
    return is_temporary(entry.path().filename().string());
  });
}

void check_folder(const FinetuneSettings& s) {
  std::error_code error;
  if (!fs::exists(s.output, error)) return;
  if (!fs::is_directory(s.output, error))
    fail(ErrorKind::usage, "{} is no folder", escaped(s.output));
  if (is_empty_folder(s.output)) return;
  if (!holds_run(s.output))
    fail(ErrorKind::usage,
         "{} is not empty, and no run of r1-finetune: -o wants a folder of its own",
         escaped(s.output));
  if (!s.resume && !s.force)
    fail(ErrorKind::usage, "{} is not empty; --resume goes on with it, -f begins anew",
         escaped(s.output));
}

}  // namespace

void check(FinetuneSettings& s) {
  if (s.precision == "f32" || s.precision == "f16") s.precision.insert(1, "p");
  check_names(s);
  check_scratch(s);
  check_method(s);
  check_qat(s);
  check_precision(s);
  check_course(s);
}

void check_output(const FinetuneSettings& s) {
  if (s.log_csv == "-" || is_device(s.log_csv))
    fail(ErrorKind::usage, "{} is no file; records for a pipe come on standard output",
         escaped(s.log_csv));
  refuse_if(is_of_the_run(s.log_csv, s), "--log-csv names a file that the run itself writes");
  want_folders_of_records(s);
  check_resume_from(s);
  check_folder(s);
  const bool may_replace = s.force || s.resume;
  if (!s.log_csv.empty() && !may_replace && !in_the_way(s.log_csv).empty())
    fail(ErrorKind::usage, "{} exists; -f replaces it", escaped(in_the_way(s.log_csv)));
  if (!may_replace && holds_event_files(s.tensorboard))
    fail(ErrorKind::usage, "{} has the events of another run; -f replaces them",
         escaped(s.tensorboard));
}

}  // namespace r1
