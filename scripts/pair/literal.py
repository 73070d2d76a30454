#!/usr/bin/env python3
"""Trains the formula as the article has it, softmax((mask * q k) / sqrt(d)) v, in PyTorch: variant J of the ablation.

    literal.py --work DIR --seed N --steps N --batch N --length N

The mask is the gate's, exp(A_i - A_j). It begins with the numbers that the run gate-SEED of WORK began with, and reads the
same sequences in the same order, under the same optimizers and schedule. The loss on held-out text is that of the first 64
sequences, as r1-finetune's val_loss. Writes runs/literal-SEED/result.json.
"""
import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "reference"))
import torch

import daw
import learnt
from train import optimizers

ADAM, MUON, DECAY, VALIDATED = 3e-3, 0.02, 0.1, 64


def attend(q, k, v, A, document):
    """q, k, v [B, H, T, hd], A [B, T, H]: a mask below 1 brings a score nearer to 0, and takes no token away."""
    a = A.transpose(1, 2)
    mask = torch.exp((a[..., :, None] - a[..., None, :]).clamp(max=0))
    return daw.literal(q, k, v, mask, document)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path, required=True)
    for name in ("seed", "steps", "batch", "length"):
        parser.add_argument("--" + name, type=int, required=True)
    a = parser.parse_args()
    torch.set_num_threads(1)
    out = a.work / "runs" / f"literal-{a.seed}"
    if (out / "result.json").exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    model = learnt.load(a.work / "runs" / f"gate-{a.seed}" / "start")
    data = learnt.Data(a.work, "train.jsonl", a.length, a.seed)
    muon, adam = optimizers(model, ADAM, DECAY)
    for step in range(1, a.steps + 1):
        loss, tokens = learnt.loss_of(model, data, range((step - 1) * a.batch, step * a.batch), attend)
        (loss / tokens).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        share = learnt.wsd_share(step, a.steps)
        muon.step(MUON * share, DECAY)
        for group in adam.param_groups:
            group["lr"] = ADAM * share
        adam.step()
        model.zero_grad(set_to_none=True)
        if step % 10 == 0:
            print(json.dumps({"step": step, "loss": loss.item() / tokens}), file=sys.stderr, flush=True)
    heldout = learnt.Data(a.work, "heldout.jsonl", a.length, 0)
    with torch.no_grad():
        parts = [learnt.loss_of(model, heldout, [n], attend) for n in range(VALIDATED)]
    val = sum(float(s) for s, _ in parts) / sum(n for _, n in parts)
    (out / "result.json").write_text(json.dumps({"val_loss": val, "steps": a.steps}) + "\n")


if __name__ == "__main__":
    main()
