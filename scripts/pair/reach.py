#!/usr/bin/env python3
"""How far the gates of the runs gate-SEED look back: the mean over heads, layers and rows of held-out text of the mask's sum,
which is the length of a window that lets as much through. Writes reach.json.

    reach.py --work DIR --length N --seeds N
"""
import argparse
import json
import pathlib

import torch

import learnt  # also says where the reference is
import daw

SEQUENCES = 16


@torch.no_grad()
def reach(model, data):
    """Positions, mean over all."""
    seen = []

    def attend(q, k, v, A, document):
        a = A.transpose(1, 2)
        mask = torch.exp((a[..., :, None] - a[..., None, :]).clamp(max=0)).tril()
        mask = mask * (document[:, None, :, None] == document[:, None, None, :])
        seen.append(mask.sum(-1).mean().item())
        return daw.attention(q, k, v, A, document)

    for n in range(SEQUENCES):
        learnt.loss_of(model, data, [n], attend)
    return sum(seen) / len(seen)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--length", type=int, required=True)
    parser.add_argument("--seeds", type=int, required=True)
    a = parser.parse_args()
    data = learnt.Data(a.work, "heldout.jsonl", a.length, 0)
    means = [reach(learnt.load(a.work / "runs" / f"gate-{s}"), data) for s in range(a.seeds)]
    (a.work / "reach.json").write_text(json.dumps(round(sum(means) / len(means))) + "\n")
    print("reach by seed:", means)


if __name__ == "__main__":
    main()
