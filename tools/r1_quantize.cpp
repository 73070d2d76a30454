// r1-quantize: makes models smaller.
#include <csignal>
#include <filesystem>

#include "lib/base/error.h"
#include "tools/common/failures.h"
#include "tools/common/models.h"
#include "tools/common/results.h"
#include "tools/common/settings.h"
#include "tools/manual.h"
#include "tools/quantize/check.h"
#include "tools/quantize/folder.h"
#include "tools/quantize/gguf_file.h"

namespace r1 {
namespace {

// What is to be told of it.
std::string quantized(const QuantizeSettings& s, const Ui& ui) {
  Messages messages(ui);
  const std::filesystem::path path = find_model(s.operands[0], model_places(s.model_path));
  const ModelFiles files = ModelFiles::open(path);
  keep_inputs({s.output, s.manifest, s.imatrix_out}, inputs_of(s, files));
  messages.phase_done(fmt::format("{}: {}, {} tensors, {} bytes, opened", escaped(path.string()),
                                  files.is_gguf() ? "GGUF" : "safetensors", files.tensors().size(),
                                  files.total_bytes()));
  QuantizeReport report{s, files, s.output};
  is_folder(s.output) ? make_folder(report, messages) : make_gguf(report, messages);
  if (!s.dry_run && !s.manifest.empty()) {
    const auto manifest = open_results(s.manifest, false, false);
    manifest->write(manifest_json(report));
    manifest->close();
  }
  return s.json ? quantize_json(report) : quantize_text(report);
}

int run(const QuantizeSettings& s, const StandardOptions& standard, const Ui& ui) {
  if (s.list_models) {
    print_whole(model_list(model_places(s.model_path), s.json));
    return 0;
  }
  keep_inputs({s.output, s.manifest, s.imatrix_out}, config_files(standard.config));
  check(s);
  print_whole(telling_failure(
      [&] { return quantized(s, ui); },
      [&](const Error& e) { return s.json ? quantize_error_json(s, e) : std::string(); }));
  return 0;
}

}  // namespace
}  // namespace r1

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // the product is a file
  r1::QuantizeSettings settings;
  r1::StandardOptions standard;
  r1::Program program = r1::quantize_program(settings, standard);
  return r1::run_program(program, standard, r1::kManual, argc, argv,
                         [&](const r1::Ui& ui) { return r1::run(settings, standard, ui); });
}
