#!/usr/bin/env python3
"""r1-finetune beside PyTorch, from the same weights over the same data in the same order.

    train_vs_torch.py --text FILE [--r1 build/release/bin] [--work DIR] curve [--steps 200]
    train_vs_torch.py --text FILE … speed [--steps 8]
    train_vs_torch.py --text FILE … --device cuda --full --batch 64 --length 1024 --forms bf16,compiled+bf16 --precisions bf16 [--plus] speed

`curve`: a small r1-plus and a small r1 with AdamW and with Muon; the largest difference of the loss of any step, in f32.
`speed`: tokens a second of a model of 10 million parameters or, with --full, of the pair's full size; both in f32 and in bf16
where products can be, PyTorch compiled too; they take turns. Wants torch, sentencepiece and safetensors. A text that has U+2581 itself is read otherwise by
sentencepiece's Python, which takes it for a space.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

for folder in ("reference", "pair"):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / folder))
import sentencepiece as spm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import daw
import packs
import shapes
from r1_model import R1, Config
from train import optimizers

RATE, MUON_RATE, DECAY = 1e-3, 0.02, 0.01  # the defaults of a run from scratch
SMALL = dict(layers=4, width=64, heads=4, kv_heads=2, head_dim=16, inner=160)
TEN_MILLION = dict(layers=8, width=320, heads=5, kv_heads=5, head_dim=64, inner=736)


def r1_finetune(a, shape, out, **options):
    """Runs it; the records."""
    config = a.work / "config.json"
    c = shape.to_json()
    del c["vocab_size"]
    config.write_text(json.dumps(c))
    tokenizer = a.work / "tokenizer.model"
    known = [tokenizer] if tokenizer.exists() else ["train", "--vocab", str(a.vocab)]
    command = [a.r1 / "r1-finetune", "--init", config, "--tokenizer", *known, "--data", a.text, "-o", out, "-f", "--no-packing", "--no-verify", "--timing",
               "--learning-rate", str(RATE), "--weight-decay", str(DECAY),
               "--batch-size", str(a.batch), "--max-seq-length", str(a.length), "--steps-per-report", "1",
               "--threads", str(a.threads), "--device", a.device, "--save-every", "1000000"]
    if options.get("optimizer") == "muon":
        command += ["--muon-learning-rate", str(MUON_RATE)]
    for name, value in options.items():
        command += ["--" + name, str(value)]
    lines = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in lines.splitlines()]


class Torch:
    """The same model, optimizer and steps in PyTorch."""

    def __init__(self, a, shape, start, optimizer, form="f32"):
        self.a, self.form, self.model = a, form, R1(shape).to(a.device)
        weights = load_file(start / "model.safetensors")
        self.model.load_state_dict(weights)
        self.muon, self.adam = optimizers(self.model, RATE, DECAY, optimizer == "muon")
        tokenizer = spm.SentencePieceProcessor(model_file=str(start / "tokenizer.model"))
        size = tokenizer.get_piece_size()
        self.newline = torch.tensor([int(tokenizer.id_to_piece(i) == "<0x0A>") for i in range(size)], device=a.device)
        ids = tokenizer.encode(a.text.read_text())
        self.samples = packs.pieces(ids, tokenizer.bos_id(), tokenizer.eos_id(), a.length)
        if "compiled" in form:
            for layer in self.model.model.layers:
                layer.compile()

    def attend(self, q, k, v, A, document):
        """Rows hold one document each, from their first token: what fills them up is seen by none before it."""
        if A is not None:
            return (daw.attention if self.a.device == "cpu" else daw.flash_attention)(q, k, v, A, document)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])

    def step(self, samples, share):
        """The loss before the step."""
        width = max(map(len, samples)) - 1
        fill = lambda rows, value: torch.tensor([r + [value] * (width - len(r)) for r in rows], device=self.a.device)
        ids, target = fill([s[:-1] for s in samples], 0), fill([s[1:] for s in samples], -1)
        with torch.autocast(self.a.device, torch.bfloat16, enabled="bf16" in self.form):
            hidden = self.model(ids, self.newline[ids], attend=self.attend)
            logits = self.model.logits(hidden).float()
        loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), target.view(-1), ignore_index=-1)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        if self.muon is not None:
            self.muon.step(MUON_RATE * share, DECAY)
        for group in self.adam.param_groups:
            group["lr"] = RATE * share
        self.adam.step()
        self.model.zero_grad(set_to_none=True)
        return loss.item()

    def run(self, count):
        """Losses, and the median of tokens a second of all steps but the first, as of r1-finetune's records."""
        losses, rates = [], []
        for n, samples in enumerate(packs.steps(self.samples, self.a.batch, count)):
            begin = time.perf_counter()
            losses.append(self.step(samples, packs.rate_share(n + 1, count)))
            rates.append(sum(len(s) - 1 for s in samples) / (time.perf_counter() - begin))
        return losses, statistics.median(rates[1:])


def curve(a):
    for plus in (True, False):
        shape = Config(**SMALL, vocab=a.vocab, context=a.length, plus=plus)
        for optimizer in ("adamw", "muon"):
            out = a.work / f"{'r1-plus' if plus else 'r1'}-{optimizer}"
            records = r1_finetune(a, shape, out, optimizer=optimizer, iters=a.steps)
            losses, _ = Torch(a, shape, out / "start", optimizer).run(a.steps)
            apart = max(abs(r["loss"] - loss) for r, loss in zip(records, losses, strict=True))
            print(f"{out.name}: {a.steps} steps, loss {losses[0]:.4f} -> {losses[-1]:.4f}, at most {apart:.2g} apart",
                  flush=True)


def speed(a):
    sizes = TEN_MILLION
    if a.full:
        layers, width, heads, inner = shapes.SIZES["full"].plus if a.plus else shapes.SIZES["full"].r1
        sizes = dict(layers=layers, width=width, heads=heads, kv_heads=heads, head_dim=width // heads, inner=inner)
    shape = Config(**sizes, vocab=a.vocab, context=a.length, plus=a.plus)
    ours, theirs = {}, {}
    for _ in range(a.rounds):
        for precision in a.precisions.split(","):
            records = r1_finetune(a, shape, a.work / "speed", optimizer=a.optimizer, iters=a.steps, precision=precision)
            ours.setdefault(precision, []).append(statistics.median(r["tok_s"] for r in records[1:]))
        for form in a.forms.split(","):
            theirs.setdefault(form, []).append(Torch(a, shape, a.work / "speed/start", a.optimizer, form).run(a.steps)[1])
    parameters = sum(p.numel() for p in R1(shape).parameters())
    best = lambda turns: max(map(statistics.median, turns.values()))
    said = lambda turns: ", ".join(f"{name} {statistics.median(v):.0f}" for name, v in turns.items())
    where = torch.cuda.get_device_name() if a.device == "cuda" else f"{a.threads} threads"
    print(f"{parameters / 1e6:.1f} M parameters, {a.optimizer}, {a.batch} x {a.length} tokens, {where}, tok/s: "
          f"r1 {said(ours)}; torch {torch.__version__} {said(theirs)}; best of r1 / best of PyTorch {best(ours) / best(theirs):.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["curve", "speed"])
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--r1", type=pathlib.Path, default=pathlib.Path("build/release/bin"))
    parser.add_argument("--work", type=pathlib.Path)
    for name, value in [("steps", None), ("batch", 4), ("length", 256), ("vocab", None), ("rounds", 3)]:
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--optimizer", choices=["adamw", "muon"], default="adamw")
    parser.add_argument("--precisions", default="fp32,bf16", help="of r1-finetune")
    parser.add_argument("--forms", default="f32,bf16,compiled", help="of PyTorch; compiled+bf16 is both")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--full", action="store_true", help="speed at the full size of scripts/pair")
    parser.add_argument("--plus", action="store_true", help="speed of r1-plus, not of r1")
    a = parser.parse_args()
    a.steps = a.steps or (200 if a.what == "curve" else 8)
    a.vocab = a.vocab or (1024 if a.what == "curve" else 4096)
    torch.set_num_threads(a.threads)
    with tempfile.TemporaryDirectory() as folder:
        a.work = a.work or pathlib.Path(folder)
        a.work.mkdir(parents=True, exist_ok=True)
        {"curve": curve, "speed": speed}[a.what](a)


if __name__ == "__main__":
    main()
