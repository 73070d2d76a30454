#!/usr/bin/env python3
"""Do r1 and peft mean the same by an adapter?

    peft_interchange.py

For tiny models of random weights, LoRA and DoRA: what r1-finetune wrote is opened by peft, what peft wrote by r1-complete, and
the log-probabilities of 32 greedy tokens and the ten best beside each are held against each other. What r1-finetune merges is
held against what peft merges, and the loss of DPO that it reports against the formula in torch. Prints a line a case and the largest difference; exits with 1 above 1e-4.
Needs torch, transformers, peft and tokenizers, and a release build of r1.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import peft
import tokenizers
import torch
import transformers

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build/release/bin"
PROMPTS = ["def mean(values):", "for i in range(", "hello, wörld"]
TEXT = "".join(f"def f{i}(x):\n    return x + {i}\n" for i in range(40))
SHAPE = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=256, tie_word_embeddings=False, bos_token_id=256, eos_token_id=256,
             initializer_range=0.2)
FAMILIES = {"llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
            "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM)}
MOST = 1e-4


def write_base(family, folder):
    """A model of random weights whose tokens are bytes."""
    torch.manual_seed(0)
    config, model = FAMILIES[family]
    model(config(vocab_size=257, **SHAPE)).save_pretrained(folder)
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: i for i, letter in enumerate(letters)}
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    bpe.add_special_tokens(["<|endoftext|>"])
    bpe.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>", "bos_token": None}))


def load(base):
    return transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()


def run(tool, *arguments, **options):
    return subprocess.run([BUILD / tool, "-q", *map(str, arguments)], check=True, stdout=subprocess.PIPE, **options).stdout


def teach(base, out, *options):
    text = out.parent / "text.txt"
    text.write_text(TEXT)
    run("r1-finetune", "-m", base, "--data", text, "--iters", 8, "--batch-size", 2, "--max-seq-length", 128,
        "--learning-rate", 0.02, "--rank", 4, "-o", out, *options)


def answers(base, *options):
    """What r1-complete writes to each prompt, token by token, with log-probabilities."""
    asked = "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in PROMPTS)
    out = run("r1-complete", "-m", base, "--jsonl", "-n", 32, "--no-heal", "--dtype", "f32", "--logprobs", 10, *options,
              input=asked.encode())
    return [json.loads(line)["output"] for line in out.splitlines()]


def largest_difference(model, base, given):
    """Of log-probabilities, between the records and a model of torch that reads the same tokens."""
    tokenizer = tokenizers.Tokenizer.from_file(str(base / "tokenizer.json"))
    worst = 0.0
    for prompt, answer in zip(PROMPTS, given):
        ids = tokenizer.encode(prompt).ids
        with torch.no_grad():
            logits = model(torch.tensor([ids + answer["tokens"]])).logits[0].log_softmax(-1)
        for at, token in enumerate(answer["logprobs"], len(ids) - 1):
            for each in [token, *token["top"]]:
                worst = max(worst, abs(logits[at, each["id"]].item() - each["logprob"]))
    return worst


def peft_adapter(base, out, dora):
    """One as if it had been taught: all of it random."""
    config = peft.LoraConfig(r=3, lora_alpha=5, use_dora=dora, use_rslora=True, task_type="CAUSAL_LM",
                             target_modules=["q_proj", "k_proj", "o_proj", "down_proj", "up_proj"])
    model = peft.get_peft_model(load(base), config)
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_magnitude" in name:
            weight.data *= torch.rand_like(weight) + 0.5
        elif "lora_" in name:
            weight.data = torch.randn_like(weight) * 0.1
    model.save_pretrained(out)
    return model.eval()


def preference_loss(model, base, pairs, beta):
    """Mean of -log sigmoid(beta (preference - preference without the adapter)), arXiv:2305.18290."""
    tokenizer = tokenizers.Tokenizer.from_file(str(base / "tokenizer.json"))

    def log_probability(prompt, answer):
        ids, begin = tokenizer.encode(prompt + answer).ids + [256], len(tokenizer.encode(prompt).ids)
        logits = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        return sum(logits[at - 1, ids[at]] for at in range(begin, len(ids)))

    def preferences():
        return torch.stack([log_probability(p["prompt"], p["chosen"]) - log_probability(p["prompt"], p["rejected"])
                            for p in pairs])

    with torch.no_grad():
        now = preferences()
        with model.disable_adapter():
            return -torch.nn.functional.logsigmoid(beta * (now - preferences())).mean().item()


def like(base, out, kind):
    """Teaches preferences; the loss that is reported at the end, and the same in torch."""
    pairs = [{"prompt": f"def f{i}(x):", "chosen": f" return x + {i}", "rejected": " pass"} for i in range(6)]
    data = out.parent / "pairs.jsonl"
    data.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    log = run("r1-finetune", "-m", base, "--data", data, "--val", data, "--objective", "dpo", "--beta", 0.2, "--iters", 4,
              "--batch-size", 2, "--max-seq-length", 64, "--learning-rate", 0.001, "--fine-tune-type", kind, "-o", out)
    model = peft.PeftModel.from_pretrained(load(base), out).eval()
    return json.loads(log.splitlines()[-1])["val_loss"], preference_loss(model, base, pairs, 0.2)


def largest_of_weights(a, b):
    theirs = dict(b.named_parameters())
    return max((weight - theirs[name]).abs().max().item() for name, weight in a.named_parameters())


def main():
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    print("peft", peft.__version__, "transformers", transformers.__version__, "torch", torch.__version__)
    found = []

    def say(what, difference):
        found.append(difference)
        print(f"{what}\t{difference:.1e}", flush=True)

    for family in FAMILIES:
        for kind in ["lora", "dora"]:
            with tempfile.TemporaryDirectory() as work:
                base, ours, merged, theirs, liked = (
                    pathlib.Path(work, name) for name in ("base", "ours", "merged", "theirs", "liked"))
                write_base(family, base)
                teach(base, ours, "--fine-tune-type", kind)
                model = peft.PeftModel.from_pretrained(load(base), ours).eval()
                given = answers(base, "--adapter", ours)
                if largest_difference(load(base), base, given) < 0.1:
                    sys.exit(f"{family} {kind}: nothing was learnt, and nothing is shown")
                say(f"{family} {kind}, written by r1", largest_difference(model, base, given))
                teach(base, merged, "--fine-tune-type", kind, "--export", "merged")
                say(f"{family} {kind}, merged by r1, weights", largest_of_weights(load(merged), model.merge_and_unload()))
                model = peft_adapter(base, theirs, kind == "dora")
                say(f"{family} {kind}, written by peft",
                    largest_difference(model, base, answers(base, "--adapter", theirs)))
                reported, computed = like(base, liked, kind)
                say(f"{family} {kind}, loss of DPO, which is {computed:.4f}", abs(reported - computed))
    print(f"largest difference {max(found):.1e}")
    sys.exit(0 if max(found) <= MOST else 1)


if __name__ == "__main__":
    main()
