#!/usr/bin/env python3
"""Trains an r1 or r1-plus model on prepared tokens, in a given time.

    train.py --work DIR --out DIR --budget 70m [--layers 8 --width 256 --inner 512 …] [--plain]

The schedule (2 % warm-up, flat, linear to zero over the last 40 %) is a function of the time spent, so that
the run ends when it was asked to. A checkpoint every five minutes; the same command goes on from it.
Muon (momentum 0.95, Nesterov, five Newton-Schulz steps) on the hidden matrices, AdamW on the rest.
"""
import argparse
import json
import os
import pathlib
import time

import numpy as np
import sentencepiece as spm
import torch
import torch.nn.functional as F

import daw
from r1_model import R1, Config

SAVE_EVERY = 300
FIM_SHARE, LINE_SHARE = 0.5, 0.1


class Rows:
    """Training rows of T + 1 tokens: windows of the stream, half of them turned into fill-in-the-middle."""

    def __init__(self, work, split, length, seed):
        self.tokens = np.load(work / f"{split}.tokens.npy", mmap_mode="r")
        self.starts = np.load(work / f"{split}.starts.npy")
        self.tokenizer = spm.SentencePieceProcessor(model_file=str(work / "tokenizer.model"))
        self.length, self.rng = length, np.random.default_rng(seed)
        piece = self.tokenizer.piece_to_id
        self.prefix, self.suffix, self.middle = map(piece, ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"))
        self.windows, self.next = None, 0

    def window(self):
        """Where the next window begins: every one once in an epoch, in random order."""
        if self.windows is None or self.next == len(self.windows):
            count, offset = (len(self.tokens) - 1) // self.length - 1, self.rng.integers(self.length)
            self.windows, self.next = self.rng.permutation(count) * self.length + offset, 0
        self.next += 1
        return self.windows[self.next - 1]

    def row(self, fim_share):
        """ids [T + 1], document [T + 1], target mask [T + 1]."""
        begin = self.window()
        ids = self.tokens[begin:begin + self.length + 1].astype(np.int64)
        inside = self.starts[np.searchsorted(self.starts, begin, "right"):]
        inside = inside[:np.searchsorted(inside, begin + self.length + 1)] - begin
        if self.rng.random() < fim_share:
            # The longest piece of one document in the window.
            edges = np.concatenate([[0], inside, [len(ids)]])
            longest = int(np.argmax(np.diff(edges)))
            text = self.tokenizer.decode(ids[edges[longest]:edges[longest + 1]].tolist())
            return self.fill_in(text)
        document = np.zeros(len(ids), np.int64)
        document[inside] = 1
        return ids, np.cumsum(document), np.ones(len(ids), bool)

    def fill_in(self, text):
        """A text as prefix, suffix, middle (or with the suffix first), cut by character."""
        cut = sorted(self.rng.integers(0, len(text) + 1, 2))
        if self.rng.random() < LINE_SHARE:  # from the caret to the end of its line
            end = text.find("\n", cut[0])
            cut[1] = len(text) if end < 0 else end
        parts = [text[:cut[0]], text[cut[0]:cut[1]], text[cut[1]:]]
        p, m, s = (self.tokenizer.encode(part) for part in parts)
        bos, eos = self.tokenizer.bos_id(), self.tokenizer.eos_id()
        if self.rng.random() < 0.5:
            ids = [bos, self.prefix, *p, self.suffix, *s, self.middle, *m, eos]
        else:
            ids = [bos, self.prefix, self.suffix, *s, self.middle, *p, *m, eos]
        ids = ids[:self.length + 1]
        fill = self.length + 1 - len(ids)
        real = np.arange(self.length + 1) < len(ids)
        return np.array(ids + [eos] * fill), (~real).astype(np.int64), real

    def batch(self, rows, fim_share=FIM_SHARE):
        """Tensors ids, document, target (-1: none), position, each [B, T]."""
        parts = [self.row(fim_share) for _ in range(rows)]
        ids, document, real = (torch.from_numpy(np.stack(p)) for p in zip(*parts))
        target = ids[:, 1:].masked_fill(~real[:, 1:] | (document[:, 1:] != document[:, :-1]), -1)
        ids, document = ids[:, :-1], document[:, :-1]
        place = torch.arange(ids.shape[1]).expand_as(ids)
        first = torch.ones_like(document, dtype=torch.bool)
        first[:, 1:] = document[:, 1:] != document[:, :-1]
        position = place - torch.cummax(torch.where(first, place, 0), 1).values
        return ids, document, target, position


def newline_table(tokenizer):
    """[V]: does the piece hold a newline?"""
    size = tokenizer.get_piece_size()
    return torch.tensor([int(tokenizer.id_to_piece(i) == "<0x0A>") for i in range(size)])


def orthogonal(g):
    """The nearest orthogonal matrices, about, of g [n, rows, cols]: five Newton-Schulz steps."""
    turned = g.shape[1] > g.shape[2]
    x = (g.transpose(1, 2) if turned else g).bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.transpose(1, 2) if turned else x).float()


class Muon:
    """Momentum, made orthogonal, for the hidden matrices; those of one shape go together."""

    def __init__(self, parameters, momentum=0.95):
        self.momentum, self.groups = momentum, {}
        for p in parameters:
            self.groups.setdefault(tuple(p.shape), []).append(p)
        self.velocity = {shape: torch.zeros(len(ps), *shape) for shape, ps in self.groups.items()}

    @torch.no_grad()
    def step(self, lr, decay):
        for shape, ps in self.groups.items():
            g, v = torch.stack([p.grad for p in ps]), self.velocity[shape]
            v.lerp_(g, 1 - self.momentum)
            update = orthogonal(g.lerp(v, self.momentum)) * max(1, shape[0] / shape[1]) ** 0.5
            for p, u in zip(ps, update):
                p.mul_(1 - lr * decay).sub_(u, alpha=lr)


def rate(progress):
    """Share of the full learning rate at a share of the time."""
    if progress < 0.02:
        return progress / 0.02
    return 1.0 if progress < 0.6 else max(0.0, (1 - progress) / 0.4)


def loss_of(model, newline, batch, fast):
    ids, document, target, position = batch
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):
        attend = daw.fast_attention if fast else daw.attention
        logits = model.logits(model(ids, newline[ids], document, position, attend))
    return F.cross_entropy(logits.float().view(-1, logits.shape[-1]), target.reshape(-1), ignore_index=-1)


@torch.no_grad()
def validate(model, newline, work, length, rows=64):
    """Nats a token, left to right, on held-out packages."""
    source = Rows(work, "heldout", length, seed=1)
    losses = [loss_of(model, newline, source.batch(8, 0.0), True).item() for _ in range(rows // 8)]
    return sum(losses) / len(losses)


def save(path, state):
    torch.save(state, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)


def seconds(text):
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--budget", type=seconds, required=True)
    for name, value in [("layers", 8), ("width", 256), ("heads", 4), ("kv-heads", 4), ("head-dim", 64),
                        ("inner", 512), ("batch", 8), ("length", 512), ("seed", 0), ("threads", 2)]:
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--muon-lr", type=float, default=0.02)
    parser.add_argument("--adam-lr", type=float, default=3e-3)
    parser.add_argument("--plain", action="store_true", help="r1 without DAW")
    return parser.parse_args()


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    a.out.mkdir(parents=True, exist_ok=True)
    rows = Rows(a.work, "train", a.length, a.seed)
    newline = newline_table(rows.tokenizer)
    config = Config(a.layers, a.width, a.heads, a.kv_heads, a.head_dim, a.inner, len(newline),
                    plus=not a.plain, newline=not a.plain, gain=not a.plain)
    model = R1(config, a.seed)
    hidden = [p for n, p in model.named_parameters() if p.dim() == 2 and "layers" in n and ".daw." not in n]
    rest = [p for p in model.parameters() if not any(p is h for h in hidden)]
    muon = Muon(hidden)
    adam = torch.optim.AdamW(rest, lr=1, betas=(0.9, 0.95), weight_decay=0.0)
    path, step, spent, tokens = a.out / "state.pt", 0, 0.0, 0
    if path.exists():
        state = torch.load(path)
        model.load_state_dict(state["model"])
        adam.load_state_dict(state["adam"])
        muon.velocity, (step, spent, tokens) = state["muon"], state["done"]
        rows = Rows(a.work, "train", a.length, a.seed + step)  # other windows than before the break
    (a.out / "config.json").write_text(json.dumps(config.to_json(), indent=1) + "\n")
    log = open(a.out / "log.jsonl", "a", buffering=1)
    last, saved, running = time.time(), time.time(), None
    while spent < a.budget:
        scale = rate(spent / a.budget)
        loss = loss_of(model, newline, rows.batch(a.batch), True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        muon.step(a.muon_lr * scale, 0.1)
        for group in adam.param_groups:
            group["lr"] = a.adam_lr * scale
        adam.step()
        model.zero_grad(set_to_none=True)
        now = time.time()
        spent, last, step, tokens = spent + now - last, now, step + 1, tokens + a.batch * a.length
        running = loss.item() if running is None else 0.98 * running + 0.02 * loss.item()
        done = spent >= a.budget
        if step % 50 == 0 or done:
            log.write(json.dumps({"step": step, "tokens": tokens, "loss": round(running, 4), "rate": scale,
                                  "seconds": round(spent)}) + "\n")
        if now - saved > SAVE_EVERY or done:
            log.write(json.dumps({"step": step, "heldout_loss": validate(model, newline, a.work, a.length)}) + "\n")
            save(path, {"model": model.state_dict(), "adam": adam.state_dict(), "muon": muon.velocity,
                        "done": (step, spent, tokens)})
            saved = last = time.time()


if __name__ == "__main__":
    main()
