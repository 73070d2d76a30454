#include "tools/quantize/check.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <regex>

#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/lower.h"
#include "lib/base/output.h"
#include "lib/base/paths.h"
#include "lib/quant/folder_plan.h"
#include "lib/quant/types.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWantTheirOwn = "--manifest and --imatrix-out want files of their own";

void check_types(const QuantizeSettings& s) {
  const bool fitted = s.target_bpw > 0;
  refuse_if(s.type.empty() && !fitted, "--type says what the model becomes, such as q4_k_m");
  refuse_if(fitted && !(s.type.empty() && !s.pure),
            "--target-bpw chooses types in place of --type and --pure");
  refuse_if(fitted && s.calibration.empty(), "--target-bpw wants --calibration");
}

void check_quality(const QuantizeSettings& s) {
  const bool calibrated = !(s.imatrix.empty() && s.calibration.empty());
  refuse_if(s.method == "rtn" && calibrated && !s.awq && s.target_bpw == 0,
            "--method rtn rounds to nearest, whatever --imatrix or --calibration say");
  refuse_if(s.awq && !calibrated, "--awq wants --calibration or --imatrix");
  refuse_if(s.method == "gptq" && s.calibration.empty(), "--method gptq wants --calibration");
  refuse_if(!s.imatrix.empty() && !s.calibration.empty(),
            "--calibration makes what --imatrix reads; one of them is enough");
  refuse_if(!s.imatrix_out.empty() && s.calibration.empty(),
            "--imatrix-out keeps what --calibration finds");
}

void check_gguf(const QuantizeSettings& s) {
  if (s.target_bpw == 0 && !is_mix(s.type))
    fail(ErrorKind::usage, "--type {} is for folders, and -o names a .gguf file", s.type);
  refuse_if(!makes_blocks(s) && s.imatrix_out.empty() &&
                (s.method == "gptq" || !s.imatrix.empty() || !s.calibration.empty()),
            "--calibration, --imatrix and --method gptq are for blocks: --type f32, f16 and bf16 "
            "round to nearest");
  static const std::regex shard("-[0-9]{5}-of-[0-9]{5}$");
  refuse_if(s.cuts_shards && std::regex_search(fs::path(s.output).stem().string(), shard),
            "-o names the whole model: --shard-size adds -00001-of-00002 and so on");
}

void check_folder(const QuantizeSettings& s) {
  refuse_if(s.target_bpw > 0 || s.awq, "--target-bpw and --awq are for .gguf files");
  if (!folder_type(s.type))
    fail(ErrorKind::usage, "--type {} is for .gguf files, and -o names a folder", s.type);
  refuse_if(folder_type(s.type) != FolderType::w4a16 &&
                (!s.imatrix.empty() || !s.calibration.empty() || s.method == "gptq"),
            "--calibration, --imatrix and --method gptq are for .gguf files and --type w4a16");
  refuse_if(!s.tensor_types.empty() || !s.output_type.empty() || !s.embed_type.empty() || s.pure,
            "--tensor-type, --output-type, --embed-type and --pure are for .gguf files");
}

// The model is large, and is read first.
void check_texts(const QuantizeSettings& s) {
  std::error_code none;
  for (const std::string& file : {s.calibration, s.imatrix})
    if (!file.empty() && !fs::exists(file, none))
      fail(ErrorKind::usage, "{}: No such file or directory", escaped(file));
}

// Of a .gguf file more is known when its shards are (check_outputs).
void check_side_files(const QuantizeSettings& s) {
  for (const std::string& file : {s.manifest, s.imatrix_out})
    refuse_if(file == "-" || file == "/dev/stdout",
              "--manifest and --imatrix-out name files: standard output has its own line");
  keep_side_files_from({s.output, partial_of(s.output)}, s);
  refuse_if(is_same_place(s.manifest, s.imatrix_out), kWantTheirOwn);
}

// There is a folder to write in, and a file can be made there; a rehearsal makes none.
void need_room_for(const fs::path& path, bool rehearsal) {
  std::error_code none;
  const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (!fs::is_directory(parent, none))
    fail(ErrorKind::write, "{}: there is no folder {}", escaped(path.string()),
         escaped(parent.string()));
  if (is_device(path)) return;
  if (!rehearsal)
    open_file(path);  // let go of again
  else if (::access(parent.c_str(), W_OK | X_OK) != 0)
    fail(ErrorKind::write, "{}: {}", escaped(path.string()), std::strerror(errno));
}

void check_places(const QuantizeSettings& s) {
  need_room_for(without_slash(s.output), s.dry_run);
  for (const std::string& file : {s.manifest, s.imatrix_out}) {
    if (file.empty()) continue;
    need_room_for(file, s.dry_run);
    std::error_code none;
    if (fs::is_directory(file, none)) fail(ErrorKind::usage, "{} is a folder", escaped(file));
    // The run that --resume goes on with has written its importance matrix.
    const bool may_be = s.force || is_device(file) || (s.resume && file == s.imatrix_out);
    if (!may_be && is_taken(file))
      fail(ErrorKind::usage, "{} exists; -f replaces it", escaped(file));
  }
}

}  // namespace

bool is_folder(const std::string& output) { return !lower(output).ends_with(".gguf"); }

bool makes_blocks(const QuantizeSettings& s) {
  std::vector<std::string> types = {s.type, s.output_type, s.embed_type};
  for (const std::string& rule : s.tensor_types) types.push_back(split_rule(rule).second);
  return s.target_bpw > 0 || std::any_of(types.begin(), types.end(), [](const std::string& type) {
           return !type.empty() && type != "f32" && type != "f16" && type != "bf16";
         });
}

fs::path partial_of(const fs::path& output) { return without_slash(output) += ".partial"; }

std::pair<std::string, std::string> split_rule(const std::string& tensor_type) {
  const std::size_t at = tensor_type.rfind('=');
  if (at == std::string::npos)
    fail(ErrorKind::usage, "--tensor-type '{}' is not RE=TYPE", escaped(tensor_type));
  return {tensor_type.substr(0, at), tensor_type.substr(at + 1)};
}

std::vector<std::string> inputs_of(const QuantizeSettings& s, const ModelFiles& files) {
  std::vector<std::string> inputs = {files.path().string(), s.imatrix, s.calibration};
  for (const fs::path& path : files.paths()) inputs.push_back(path.string());
  return inputs;
}

void keep_side_files_from(const std::vector<fs::path>& places, const QuantizeSettings& s) {
  for (const fs::path& place : places)
    refuse_if(is_same_place(s.manifest, place) || is_same_place(s.imatrix_out, place),
              kWantTheirOwn);
}

void check(const QuantizeSettings& s) {
  refuse_if(s.operands.empty(), "the model that is quantized wants to be named");
  if (s.operands.size() > 1)
    fail(ErrorKind::usage,
         "there is no place for '{}': one model is quantized at a time; -o names the output, "
         "--type the type",
         escaped(s.operands[1]));
  refuse_if(s.output.empty(), "-o names what is written");
  refuse_if(s.output == "-" || s.output == "/dev/stdout" || is_device(s.output),
            "-o wants a file or a folder: it is read again when it is written");
  check_types(s);
  check_quality(s);
  is_folder(s.output) ? check_folder(s) : check_gguf(s);
  check_texts(s);
  check_side_files(s);
  check_places(s);
}

}  // namespace r1
