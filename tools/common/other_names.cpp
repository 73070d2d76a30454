#include "tools/common/other_names.h"

namespace r1 {
namespace {

constexpr OtherName kNames[] = {
    // completion
    {"n-predict", "max-tokens"},
    {"predict", "max-tokens"},
    {"max-new-tokens", "max-tokens"},
    {"temp", "temperature"},
    {"repetition-penalty", "repeat-penalty"},
    {"num-return-sequences", "answers"},
    {"reverse-prompt", "stop"},
    {"system-prompt", "system"},
    {"file", "prefix-file"},
    {"prompt-file", "prefix-file"},
    {"cache-type-k", "kv-type"},
    {"cache-type-v", "kv-type"},
    {"n-gpu-layers", "device"},
    {"gpu-layers", "device"},
    {"ngl", "device"},
    {"ctk", "kv-type"},
    {"ctv", "kv-type"},
    {"np", "batch-size"},
    {"parallel", "batch-size"},
    {"lora", "adapter"},
    {"adapter-path", "adapter"},
    // measuring
    {"n-prompt", "prompt-tokens"},
    {"n-gen", "max-tokens"},
    {"n-depth", "depth"},
    {"repetitions", "repeat"},
    {"perplexity", "quality"},
    {"kl-divergence", "base"},
    // quantizing
    {"outtype", "type"},
    {"ftype", "type"},
    {"outfile", "output"},
    {"token-embedding-type", "embed-type"},
    {"output-tensor-type", "output-type"},
    {"split-max-size", "shard-size"},
    {"max-shard-size", "shard-size"},
    // learning
    {"lr", "learning-rate"},
    {"steps", "iters"},
    {"max-steps", "iters"},
    {"num-train-epochs", "epochs"},
    {"time-limit", "time-budget"},
    {"per-device-train-batch-size", "batch-size"},
    {"gradient-accumulation-steps", "micro-batch"},
    {"gradient-checkpointing", "grad-checkpoint"},
    {"warmup-ratio", "lr-warmup"},
    {"lr-scheduler-type", "schedule"},
    {"max-grad-norm", "clip"},
    {"optim", "optimizer"},
    {"lora-r", "rank"},
    {"lora-rank", "rank"},
    {"lora-alpha", "alpha"},
    {"lora-dropout", "dropout"},
    {"use-rslora", "rslora"},
    {"use-dora", "fine-tune-type"},
    {"load-in-8bit", "quantize-base"},
    {"load-in-4bit", "quantize-base"},
    {"max-length", "max-seq-length"},
    {"train", "data"},
    {"train-file", "data"},
    {"validation-file", "val"},
    {"logging-steps", "steps-per-report"},
    {"eval-steps", "steps-per-eval"},
    {"save-steps", "save-every"},
    {"save-total-limit", "keep-last"},
    {"resume-from-checkpoint", "resume"},
    {"output-dir", "output"},
};

}  // namespace

std::span<const OtherName> other_names() { return kNames; }

}  // namespace r1
