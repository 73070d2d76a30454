#!/usr/bin/env python3
"""Writes tests/models/tiny/NAME: small checkpoints with random weights and what they must give.

    scripts/reference/tiny_checkpoints.py tests/models/tiny

Each folder is a Hugging Face directory (config.json as real models write it, safetensors) and golden.json:

    ids     the 24 ids of the text
    logits  24 rows of `vocab` numbers, in float32 from the weights as stored
    greedy  the 16 ids that follow, the most likely one each time
    newline the ids whose text holds a newline (r1-plus alone)
    note    what is special, where something is

The published transformers reads each folder back and computes the answers; r1 and r1-plus come from
r1_model.py. VERSIONS.json holds the versions and a SHA-256 of every file.
"""
import argparse
import copy
import hashlib
import json
import math
import pathlib
import re
import shutil

import safetensors
import torch
import transformers
from safetensors.torch import save_file

from r1_model import R1, Config

VOCAB, TEXT, MORE = 32, 24, 16
CLEAR = 2e-3  # the least distance between the best and the second logit: no tie for rounding to decide
NEWLINE_IDS = [5, 12, 23]

LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 16, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 24, "vocab_size": VOCAB,
         "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
         "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": False,
         "bos_token_id": 1, "eos_token_id": 2}
WIDE_HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
QWEN2 = {**LLAMA, "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "rms_norm_eps": 1e-6,
         "rope_theta": 1e6, "use_sliding_window": False, "sliding_window": 4, "max_window_layers": 2}
QWEN3 = {**LLAMA, **WIDE_HEADS, "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 24,
         "intermediate_size": 16, "rms_norm_eps": 1e-6, "rope_theta": 1e6}
for extra in ("attention_bias", "mlp_bias"):
    QWEN2.pop(extra)
QWEN3.pop("mlp_bias")
YARN = {"factor": 4.0, "original_max_position_embeddings": 4096}
LLAMA3_ROPE = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 64}
ATTN_FACTOR = 0.7
YARN_MAGNITUDE = ATTN_FACTOR * (0.1 * math.log(YARN["factor"]) + 1)  # attn_factor multiplies


def without(config, key):
    return {k: v for k, v in config.items() if k != key}


YARN_OLD = {**QWEN3, "max_position_embeddings": 16384,
            "rope_scaling": {"type": "yarn", **YARN, "attn_factor": ATTN_FACTOR}}
YARN_NEW = {**without(QWEN3, "rope_theta"), "max_position_embeddings": 16384,
            "rope_parameters": {"rope_type": "yarn", "rope_theta": 1e6, **YARN, "attention_factor": YARN_MAGNITUDE}}
YARN_DEFAULT = {**YARN_OLD, "rope_scaling": {"rope_type": "yarn", **YARN}}

# name: the config.json as written, and what more there is to say of the folder. Folders that name the same
# `weights` share their seed, and so their weights.
PUBLISHED = {
    "llama": (LLAMA, {}),
    "llama_tied": ({**LLAMA, "tie_word_embeddings": True}, {}),
    "llama_linear_rope": ({**LLAMA, **WIDE_HEADS, "rope_scaling": {"type": "linear", "factor": 4.0}}, {}),
    "llama_llama3_rope": ({**LLAMA, **WIDE_HEADS, "rope_theta": 10000.0, "rope_scaling": LLAMA3_ROPE}, {}),
    "llama_bf16": ({**LLAMA, "torch_dtype": "bfloat16"}, {"dtype": torch.bfloat16}),
    "llama_sharded": (LLAMA, {"shards": 3, "weights": "llama"}),
    "mistral_window": ({**without(without(LLAMA, "attention_bias"), "mlp_bias"), "model_type": "mistral",
                        "architectures": ["MistralForCausalLM"], "sliding_window": 8}, {}),
    "qwen2": (QWEN2, {}),
    "qwen3": (QWEN3, {}),
    "qwen3_tied": ({**QWEN3, "tie_word_embeddings": True}, {}),
    "qwen3_yarn": (YARN_OLD, {
        "weights": "qwen3_yarn", "compute": YARN_NEW,
        "note": "transformers does not know attn_factor and would leave it out. The answers were computed with "
                "attention_factor = attn_factor * (0.1 ln factor + 1) instead: those of qwen3_yarn_parameters."}),
    "qwen3_yarn_parameters": (YARN_NEW, {"weights": "qwen3_yarn"}),
    "qwen3_yarn_default": (YARN_DEFAULT, {"weights": "qwen3_yarn"}),
}
OURS = {
    "r1": Config(2, 24, 4, 2, 8, 16, VOCAB, context=128, plus=False),
    "r1plus": Config(2, 24, 4, 2, 8, 16, VOCAB, context=128),
    "r1plus_gate_only": Config(2, 24, 4, 2, 8, 16, VOCAB, context=128, newline=False, gain=False),
}


def random_weights(parameters, seed):
    """Weights that let every part matter: norms about 1, biases and gates that are not 0."""
    rng = torch.Generator().manual_seed(seed)
    for name, p in sorted(parameters):
        noise = torch.randn(p.shape, generator=rng)
        if name.endswith("newline"):
            p.data = 4 + noise           # 8 softplus(l - 4) about 5.5: a newline nearly shuts the gate
        elif name.endswith("gate.bias"):
            p.data = 2 + noise
        elif "norm" in name:
            p.data = 1 + 0.2 * noise
        elif p.dim() == 1 or ".daw." in name:
            p.data = 0.3 * noise
        else:
            p.data = noise if "embed" in name else 1.5 * noise * p.shape[1] ** -0.5


def answers(logits_of, seed):
    """ids, logits and greedy of a function from ids to logits [T, V]; None when a choice is too close."""
    ids = torch.randint(3, VOCAB, (TEXT,), generator=torch.Generator().manual_seed(seed + 1000)).tolist()
    logits, greedy = logits_of(ids), []
    for _ in range(MORE):
        last = logits_of(ids + greedy)[-1]
        best = last.topk(2)
        if best.values[0] - best.values[1] < CLEAR:
            return None
        greedy.append(int(best.indices[0]))
    if len(set(greedy)) < 6:
        return None
    rows = [[float(f"{x:.8g}") for x in row] for row in logits.tolist()]
    return {"ids": ids, "greedy": greedy, "vocab": VOCAB, "logits": rows}


def write_json(path, value):
    """Indented, with every list of plain values on one line."""
    text = json.dumps(value, indent=1)
    path.write_text(re.sub(r"\[[^][{}]*\]", lambda m: " ".join(m[0].split()), text) + "\n")


def write_weights(folder, tensors, shards):
    """One file, or several with their index."""
    tensors = {name: t.contiguous() for name, t in sorted(tensors.items())}
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return
    places = {name: f"model-{i % shards + 1:05}-of-{shards:05}.safetensors" for i, name in enumerate(tensors)}
    for place in sorted(set(places.values())):
        save_file({n: t for n, t in tensors.items() if places[n] == place}, folder / place, {"format": "pt"})
    size = sum(t.nbytes for t in tensors.values())
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": places})


def transformers_logits(folder, config):
    """The published model on the folder's weights, read as if `config` were its config.json."""
    written = (folder / "config.json").read_text()
    write_json(folder / "config.json", config)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32).eval()
    (folder / "config.json").write_text(written)
    return lambda ids: model(torch.tensor([ids]), use_cache=False).logits[0]


def published(folder, name, config, dtype=torch.float32, shards=1, weights=None, compute=None, note=None):
    """A folder of a family that transformers knows."""
    first = sum(map(ord, weights or name))
    for seed in range(first, first + 1000):
        family = transformers.AutoConfig.for_model(**copy.deepcopy(config))  # it writes into what it gets
        model = transformers.AutoModelForCausalLM.from_config(family, attn_implementation="eager")
        random_weights(model.named_parameters(), seed)
        model.tie_weights()
        tensors = {n: p.detach().to(dtype) for n, p in model.named_parameters()}
        write_json(folder / "config.json", config)
        write_weights(folder, tensors, shards)
        golden = answers(transformers_logits(folder, compute or config), seed)
        if golden:
            break
    if note:
        golden["note"] = note
    return golden


def ours(folder, name, config):
    """A folder of r1 or r1-plus."""
    newline = torch.zeros(VOCAB, dtype=torch.long)
    newline[NEWLINE_IDS] = 1
    first = sum(map(ord, name))
    for seed in range(first, first + 1000):
        model = R1(config).eval()
        random_weights(model.named_parameters(), seed)
        write_json(folder / "config.json", config.to_json())
        write_weights(folder, model.state_dict(), 1)
        model = model.double()  # rounded once, at the end

        def logits_of(ids):
            row = torch.tensor([ids])
            return model.logits(model(row, newline[row]))[0].float()

        golden = answers(logits_of, seed)
        if golden and any(i in NEWLINE_IDS for i in golden["ids"]):
            break
    if config.plus:
        golden["newline"] = NEWLINE_IDS
    return golden


def versions(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "VERSIONS.json")
    return {"script": "scripts/reference/tiny_checkpoints.py", "torch": torch.__version__.split("+")[0],
            "transformers": transformers.__version__, "safetensors": safetensors.__version__,
            "sha256": {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}}


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for name in [*PUBLISHED, *OURS]:
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if name in OURS:
            golden = ours(folder, name, OURS[name])
        else:
            config, more = PUBLISHED[name]
            golden = published(folder, name, config, **more)
        write_json(folder / "golden.json", golden)
        print(name, sum(p.stat().st_size for p in folder.iterdir()), "bytes", golden["greedy"], flush=True)
    write_json(out / "VERSIONS.json", versions(out))


if __name__ == "__main__":
    main()
