#include "tools/finetune/products.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "lib/base/bytes.h"
#include "lib/base/lines.h"
#include "lib/base/paths.h"
#include "lib/base/write_file.h"
#include "lib/io/small_files.h"
#include "lib/io/weights_files.h"
#include "lib/models/adapter.h"
#include "lib/text/chat_template.h"
#include "tools/finetune/export.h"
#include "tools/finetune/run_file.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kProducts = {Adapter::kConfig, Adapter::kWeights, Adapter::kFile,
                                            "config.json",    kWeightsFile,      kModelFile,
                                            kChatTemplateFile};

}  // namespace

std::vector<std::string> names_of_any_run() {
  std::vector<std::string> names = kProducts;
  for (const char* record : {"records.jsonl", "run.json"})
    for (const char* ending : {"", ".partial"}) names.push_back(std::string(record) + ending);
  names.push_back("loss.svg");
  return names;
}

std::vector<std::string> names_of_run(const FinetuneSettings& s, const ModelFiles& base) {
  std::vector<std::string> names = names_of_any_run();
  if (export_kind(s, base) == "merged")
    for (const fs::path& copied : small_files(base.path()))
      names.push_back(copied.filename().string());
  const std::set<std::string> earlier = exported_into(s.output);
  names.insert(names.end(), earlier.begin(), earlier.end());
  return names;
}

EarlierExport::EarlierExport(fs::path folder)
    : folder_(std::move(folder)), list_(folder_ / "replaces.partial") {}

std::vector<std::string> EarlierExport::listed() const {
  std::vector<std::string> names;
  if (is_there(list_))
    for_each_line(read_file(list_), [&](std::string_view line, int) { names.emplace_back(line); });
  return names;
}

void EarlierExport::replace(std::set<std::string> names) const {
  for (const std::vector<std::string>& more : {listed(), kProducts})
    names.insert(more.begin(), more.end());
  std::erase_if(names, [&](const std::string& name) { return !is_there(folder_ / name); });
  if (!names.empty()) write_file(list_, fmt::format("{}\n", fmt::join(names, "\n")));
}

void EarlierExport::remove() const {
  std::error_code none;
  for (const std::string& name : listed())
    if (fs::path(name).filename() == name) fs::remove(folder_ / name, none);  // of no other folder
  fs::remove(list_, none);
}

}  // namespace r1
