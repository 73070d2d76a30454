#!/usr/bin/env python3
"""Trains an r1, r1-plus or Llama-shaped model on prepared tokens.

    train.py --work DIR --out DIR --tokens 20M [--layers 8 --width 256 --inner 512 …] [--plain | --llama]

The schedule (2 % warm-up, flat, linear to zero over the last 40 %) is a function of the tokens seen, and every row
one of the seed and its number: a run can be halted (SIGSTOP) or started again, from the checkpoint that it writes
every two minutes, and sees the rows that it would have seen. Muon (momentum 0.95, Nesterov, five Newton-Schulz
steps) on the hidden matrices, AdamW on the rest. One process a core, each with its share of the rows: that loses
less to a neighbour than threads do, which wait for one another in every product. Products are in bf16 where the
processor has instructions for it.
"""
import argparse
import datetime
import json
import os
import pathlib
import time

import numpy as np
import sentencepiece as spm
import torch
import torch.distributed as dist
import torch.multiprocessing
import torch.nn.functional as F

import daw
from r1_model import R1, Config

SAVE_EVERY = 120
FIM_SHARE, LINE_SHARE = 0.5, 0.4
HAS_BF16 = torch.cpu._is_avx512_bf16_supported()


class Rows:
    """Training rows of T + 1 tokens: windows of the stream, half of them turned into fill-in-the-middle.

    Row n is the same whoever asks for it and when: a run goes on where it was, and its processes share the rows.
    """

    def __init__(self, work, split, length, seed):
        self.tokens = np.load(work / f"{split}.tokens.npy", mmap_mode="r")
        self.starts = np.load(work / f"{split}.starts.npy")
        self.tokenizer = spm.SentencePieceProcessor(model_file=str(work / "tokenizer.model"))
        self.length, self.seed, self.epoch, self.windows = length, seed, -1, None
        piece = self.tokenizer.piece_to_id
        self.prefix, self.suffix, self.middle = map(piece, ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"))

    def window(self, number):
        """Where window `number` begins: every one once in an epoch, in random order."""
        count = (len(self.tokens) - 1) // self.length - 1
        if number // count != self.epoch:
            self.epoch = number // count
            rng = np.random.default_rng([self.seed, self.epoch])
            self.windows = rng.permutation(count) * self.length + rng.integers(self.length)
        return self.windows[number % count]

    def row(self, number, fim_share):
        """ids [T + 1], document [T + 1], target mask [T + 1]."""
        rng, begin = np.random.default_rng([self.seed, 1, number]), self.window(number)
        ids = self.tokens[begin:begin + self.length + 1].astype(np.int64)
        inside = self.starts[np.searchsorted(self.starts, begin, "right"):]
        inside = inside[:np.searchsorted(inside, begin + self.length + 1)] - begin
        if rng.random() < fim_share:
            # The longest piece of one document in the window.
            edges = np.concatenate([[0], inside, [len(ids)]])
            longest = int(np.argmax(np.diff(edges)))
            text = self.tokenizer.decode(ids[edges[longest]:edges[longest + 1]].tolist())
            return self.fill_in(text, rng)
        document = np.zeros(len(ids), np.int64)
        document[inside] = 1
        return ids, np.cumsum(document), np.ones(len(ids), bool)

    @staticmethod
    def cut(text, rng):
        """Where the middle begins and ends, by character: anywhere, or inside one line, to its end or before."""
        begin, end = sorted(rng.integers(0, len(text) + 1, 2).tolist())
        if rng.random() < LINE_SHARE:
            begin = int(rng.integers(0, len(text) + 1))
            line_end = text.find("\n", begin)
            end = len(text) if line_end < 0 else line_end
            if rng.random() < 0.25:
                end = int(rng.integers(begin, end + 1))
        return begin, end

    def fill_in(self, text, rng):
        """A text as prefix, suffix, middle (or with the suffix first)."""
        begin, end = self.cut(text, rng)
        parts = [text[:begin], text[begin:end], text[end:]]
        p, m, s = (self.tokenizer.encode(part) for part in parts)
        bos, eos = self.tokenizer.bos_id(), self.tokenizer.eos_id()
        over = max(0, 5 + len(p) + len(m) + len(s) - self.length - 1)
        p, over = p[over:], max(0, over - len(p))  # what does not fit goes from the far ends, so that the middle,
        s = s[:max(0, len(s) - over)]              # which stands last, is there whole
        if rng.random() < 0.5:
            ids = [bos, self.prefix, *p, self.suffix, *s, self.middle, *m, eos]
        else:
            ids = [bos, self.prefix, self.suffix, *s, self.middle, *p, *m, eos]
        ids = ids[:self.length + 1]
        fill = self.length + 1 - len(ids)
        real = np.arange(self.length + 1) < len(ids)
        return np.array(ids + [eos] * fill), (~real).astype(np.int64), real

    def batch(self, numbers, fim_share=FIM_SHARE):
        """Tensors ids, document, target (-1: none), position, each [B, T]."""
        parts = [self.row(n, fim_share) for n in numbers]
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
    x = (g.transpose(1, 2) if turned else g).to(torch.bfloat16 if HAS_BF16 else torch.float32)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.transpose(1, 2) if turned else x).float()


class Muon:
    """Momentum, made orthogonal, for the hidden matrices; those of one shape go together. Each process turns its
    share of them and hands the result to the others."""

    def __init__(self, parameters, share, momentum=0.95):
        self.momentum, self.share, self.groups = momentum, share, {}
        for p in parameters:
            self.groups.setdefault(tuple(p.shape), []).append(p)
        self.velocity = {shape: torch.zeros(len(ps), *shape) for shape, ps in self.groups.items()}

    @torch.no_grad()
    def step(self, lr, decay):
        for shape, ps in self.groups.items():
            g, v = torch.stack([p.grad for p in ps]), self.velocity[shape]
            v.lerp_(g, 1 - self.momentum)
            update = self.share.each(g.lerp(v, self.momentum), orthogonal) * max(1, shape[0] / shape[1]) ** 0.5
            for p, u in zip(ps, update):
                p.mul_(1 - lr * decay).sub_(u, alpha=lr)


class Share:
    """One of a few processes that train one model together. All hold the same weights, to the bit: they add the
    same numbers in the same order, and no one turns a matrix that another one turns too."""

    def __init__(self, rank, count):
        self.rank, self.count = rank, count

    def start(self, meeting):
        """The processes find one another through a file; one of them may be halted for hours."""
        dist.init_process_group("gloo", f"file://{meeting}", rank=self.rank, world_size=self.count,
                                timeout=datetime.timedelta(hours=12))

    def mean(self, tensors):
        """Puts the mean over the processes in their place."""
        flat = torch.cat([t.reshape(-1) for t in tensors])
        dist.all_reduce(flat)
        flat /= self.count
        for t, mean in zip(tensors, flat.split([t.numel() for t in tensors])):
            t.copy_(mean.view_as(t))

    def each(self, stack, function):
        """function(stack), where a process works on its slices only."""
        result = torch.zeros_like(stack)
        mine = slice(len(stack) * self.rank // self.count, len(stack) * (self.rank + 1) // self.count)
        result[mine] = function(stack[mine])
        dist.all_reduce(result)
        return result


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
def validate(model, newline, rows, count=64):
    """Nats a token, left to right, on held-out packages."""
    losses = [loss_of(model, newline, rows.batch(range(n, n + 8), 0.0), HAS_BF16).item() for n in range(0, count, 8)]
    return sum(losses) / len(losses)


def save(path, state):
    torch.save(state, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)


def number(text):
    return int(float(text.rstrip("kM")) * {"k": 1e3, "M": 1e6}.get(text[-1], 1))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--tokens", type=number, required=True)
    for name, value in [("layers", 8), ("width", 256), ("heads", 4), ("kv-heads", 4), ("head-dim", 64),
                        ("inner", 512), ("batch", 8), ("length", 512), ("seed", 0), ("processes", 2)]:
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--muon-lr", type=float, default=0.02)
    parser.add_argument("--adam-lr", type=float, default=3e-3)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--plain", action="store_true", help="r1 without DAW")
    kind.add_argument("--llama", action="store_true", help="without head norms too")
    parser.add_argument("--compile", action="store_true", help="let torch.compile fuse the small operations")
    return parser.parse_args()


class Training:
    """The model, its optimizers and how far they are."""

    def __init__(self, a, share):
        self.a, self.share, self.step = a, share, 0
        self.rows, self.heldout = Rows(a.work, "train", a.length, a.seed), Rows(a.work, "heldout", a.length, 1)
        self.newline = newline_table(self.rows.tokenizer)
        plus = not (a.plain or a.llama)
        self.config = Config(a.layers, a.width, a.heads, a.kv_heads, a.head_dim, a.inner, len(self.newline),
                             plus=plus, newline=plus, gain=plus, head_norms=not a.llama)
        self.model = R1(self.config, a.seed)
        hidden = [p for n, p in self.model.named_parameters() if p.dim() == 2 and "layers" in n and ".daw." not in n]
        rest = [p for p in self.model.parameters() if not any(p is h for h in hidden)]
        self.muon, self.adam = Muon(hidden, share), torch.optim.AdamW(rest, lr=1, betas=(0.9, 0.95), weight_decay=0.0)
        self.loss = torch.compile(loss_of) if a.compile else loss_of

    def take_step(self):
        """One step; the loss of all its rows."""
        a, share = self.a, self.share
        scale = rate(self.step * a.batch * a.length / a.tokens)
        mine = range(self.step * a.batch + share.rank, (self.step + 1) * a.batch, share.count)
        loss = self.loss(self.model, self.newline, self.rows.batch(mine), HAS_BF16)
        loss.backward()
        loss = loss.detach()
        share.mean([p.grad for p in self.model.parameters()] + [loss])
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.muon.step(a.muon_lr * scale, 0.1)
        for group in self.adam.param_groups:
            group["lr"] = a.adam_lr * scale
        self.adam.step()
        self.model.zero_grad(set_to_none=True)
        self.step += 1
        return loss.item()

    def load(self, path):
        state = torch.load(path)
        self.model.load_state_dict(state["model"])
        self.adam.load_state_dict(state["adam"])
        self.muon.velocity, self.step = state["muon"], state["step"]

    def save(self, path):
        save(path, {"model": self.model.state_dict(), "adam": self.adam.state_dict(), "muon": self.muon.velocity,
                    "step": self.step})


def run(rank, a):
    """What each process does; the first one also keeps the log and the checkpoint."""
    torch.set_num_threads(1)
    share, path = Share(rank, a.processes), a.out / "state.pt"
    share.start(a.out / "meeting")
    training = Training(a, share)
    if path.exists():
        training.load(path)
    log = open(a.out / "log.jsonl" if rank == 0 else os.devnull, "a", buffering=1)
    begin, saved, running, steps = time.time(), time.time(), None, -(-a.tokens // (a.batch * a.length))
    (a.out / "config.json").write_text(json.dumps(training.config.to_json(), indent=1) + "\n")
    while training.step < steps:
        loss = training.take_step()
        running = loss if running is None else 0.98 * running + 0.02 * loss
        if training.step % 50 == 0 or training.step == steps:
            log.write(json.dumps({"step": training.step, "tokens": training.step * a.batch * a.length,
                                  "loss": round(running, 4), "seconds": round(time.time() - begin)}) + "\n")
        if rank == 0 and (time.time() - saved > SAVE_EVERY or training.step == steps):
            training.save(path)
            saved = time.time()
            if training.step == steps:
                heldout = validate(training.model, training.newline, training.heldout)
                log.write(json.dumps({"step": training.step, "heldout_loss": heldout}) + "\n")


def main():
    a = arguments()
    a.out.mkdir(parents=True, exist_ok=True)
    (a.out / "meeting").unlink(missing_ok=True)
    torch.multiprocessing.spawn(run, (a,), a.processes)


if __name__ == "__main__":
    main()
