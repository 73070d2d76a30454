#include "tools/common/shared_options.h"

namespace r1 {

Option model_path_option(std::string& into, const std::string& group) {
  return {.name = "model-path",
          .group = group,
          .into = &into,
          .metavar = "DIRS",
          .help = "Folders to look for models in, separated by colons.",
          .completes = Option::Completes::directory,
          .environment = "R1_MODEL_PATH"};
}

Option list_models_option(bool& into, const std::string& group) {
  return {.name = "list-models",
          .group = group,
          .into = &into,
          .help = "Print the names of the models on this machine.",
          .brief = true,
          .in_config = false};
}

Option adapter_option(std::string& into, const std::string& group) {
  return {.name = "adapter",
          .group = group,
          .into = &into,
          .metavar = "PATH",
          .help =
              "What this model was taught (LoRA, DoRA): a folder of r1-finetune or peft, or a "
              ".gguf file.",
          .completes = Option::Completes::file};
}

Option device_option(std::string& into, const std::string& group) {
  return {.name = "device",
          .group = group,
          .into = &into,
          .metavar = "DEVICE",
          .help = "Where to run.",
          .choices = {"auto", "cpu", "cuda", "ref"},
          .environment = "R1_DEVICE"};
}

Option dtype_option(std::string& into, const std::string& group) {
  return {.name = "dtype",
          .group = group,
          .into = &into,
          .metavar = "TYPE",
          .help = "The type to multiply in; f32 keeps every bit of 16-bit weights.",
          .choices = {"auto", "f32", "bf16"}};
}

Option kv_type_option(std::string& into, const std::string& group) {
  return {.name = "kv-type",
          .group = group,
          .into = &into,
          .metavar = "TYPE",
          .help =
              "The type to keep keys and values in; auto is f32 if that is multiplied, else the "
              "faster of 16 bits.",
          .choices = {"auto", "f32", "f16", "bf16", "q8_0"}};
}

Option threads_option(std::int64_t& into, const std::string& group) {
  return {.name = "threads",
          .letter = 't',
          .group = group,
          .into = &into,
          .metavar = "N",
          .help = "Threads; 0 means one a physical core.",
          .least = 0,
          .most = 1024,
          .brief = true,
          .environment = "R1_THREADS"};
}

Option max_memory_option(std::int64_t& into, const std::string& group, const std::string& none) {
  return {.name = "max-memory",
          .group = group,
          .into = &into,
          .metavar = "SIZE",
          .help = "Plan for this many bytes (K, M, G), or do not begin; 0 means " + none + ".",
          .least = 0,
          .unit = Option::Unit::bytes};
}

Option gpu_memory_option(std::int64_t& into, const std::string& group) {
  return {.name = "gpu-memory",
          .group = group,
          .into = &into,
          .metavar = "SIZE|PCT",
          .help = "Plan for this much of the card's memory (20G, 80%).",
          .least = -100,
          .unit = Option::Unit::bytes_or_share};
}

Option no_mmap_option(bool& into, const std::string& group) {
  return {.name = "no-mmap",
          .group = group,
          .into = &into,
          .help = "Read model files instead of mapping them."};
}

Option force_option(bool& into, const std::string& group) {
  return {.name = "force",
          .letter = 'f',
          .group = group,
          .into = &into,
          .help = "Replace files that exist.",
          .in_config = false};
}

Option cpu_isa_option(std::string& into, const std::string& group) {
  return {.name = "cpu-isa",
          .group = group,
          .into = &into,
          .metavar = "LEVEL",
          .help = "Instruction set.",
          .hidden = true};
}

}  // namespace r1
