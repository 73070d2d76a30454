#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/quant/folder_plan.h"
#include "lib/quant/quantize_model.h"
#include "tools/quantize/messages.h"
#include "tools/quantize/settings.h"

namespace r1 {

// What was made, or would be.
struct QuantizeReport {
  struct Row {
    std::string name;
    Shape shape;
    std::string_view from, to;
    std::uint64_t bytes = 0;
  };
  struct File {
    std::filesystem::path path;
    std::uint64_t bytes = 0;
    std::string sha256;
  };
  const QuantizeSettings& settings;
  const ModelFiles& files;
  std::string output;  // what is named to read it: of shards the first
  std::vector<Row> rows = {};
  std::uint64_t bytes = 0;               // of all that holds tensors
  std::vector<TensorError> errors = {};  // of each row; empty when they are not known
  std::vector<File> products = {};       // files of tensors; none before there are any
  std::vector<std::filesystem::path> side_files = {};  // what else was written
  std::vector<File> texts = {};  // of --calibration or --imatrix: a pipe is read once

  void add_text(const std::string& path, ByteSpan text);  // for the manifest
  double bits_per_weight() const;
  // Of the file; of a folder, of what sha256sum prints of its files.
  std::string sha256() const;
};
// Fills in what the plan says.
void report_plan(QuantizeReport& report, const QuantizePlan& plan);

std::string quantize_text(
    const QuantizeReport& report);  // one line, or with --dry-run one a tensor
std::string quantize_json(const QuantizeReport& report);
// The same of a run that failed.
std::string quantize_error_json(const QuantizeSettings& settings, const Error& error);
std::string manifest_json(const QuantizeReport& report);  // reads all inputs

// One line for each choice of types that does not come out as it was meant.
void warn_of_types(const Messages& messages, const QuantizeSettings& settings,
                   const QuantizePlan& plan);
void warn_of_types(const Messages& messages, const QuantizeSettings& settings,
                   const FolderPlan& plan);

// Matrices that have no part in the importance matrix are rounded without: most likely it is of
// another model. Calibration does not see the embedding, and llama-imatrix leaves out the head.
void warn_of_unseen(const Messages& messages, const Imatrix& imatrix,
                    const std::vector<std::string>& matrices);

// -v: how much of what an earlier run left is kept, of one file or several, and why no more.
void say_what_is_kept(Messages& messages, const std::vector<ResumePoint>& points,
                      std::size_t tensors);
// Blocks that take more than what they are made of are most likely not what was wanted.
void warn_of_size(const Messages& messages, const QuantizeReport& report);
// -vv: what each tensor becomes.
void say_of_each(const Messages& messages, const QuantizeReport& report);

}  // namespace r1
